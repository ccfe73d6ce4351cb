// The headers that the library holds for NVRTC: whole, and with all that they include.
#include "backend/cuda/codegen/device_headers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "backend/cuda/codegen/codegen.h"
#include "backend/cuda/runtime/code_cache.h"

namespace stoker {
namespace {

using backend::cuda::code_key;
using backend::cuda::device_headers;
using backend::cuda::DeviceHeader;

std::vector<std::string> included_by(const std::string& text) {
  std::vector<std::string> names;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("#include ")) continue;
    const std::size_t begin = line.find_first_of("<\"") + 1;
    names.push_back(line.substr(begin, line.find_first_of(">\"", begin) - begin));
  }
  return names;
}

TEST(DeviceHeaders, include_each_other_and_nothing_else) {
  std::set<std::string> known;
  for (const DeviceHeader& header : device_headers()) known.insert(header.name);
  std::vector<std::string> texts{backend::cuda::generated_prelude()};
  for (const DeviceHeader& header : device_headers()) texts.emplace_back(header.text);
  std::set<std::string> used;
  for (const std::string& text : texts) {
    for (const std::string& name : included_by(text)) {
      EXPECT_TRUE(known.contains(name)) << name;
      used.insert(name);
    }
  }
  EXPECT_EQ(used, known) << "a header that nothing includes needs no place in the library";
}

TEST(DeviceHeaders, are_the_files_that_nvcc_compiles) {
  const std::filesystem::path root = std::filesystem::path(STOKER_TESTS_FOLDER).parent_path();
  for (const DeviceHeader& header : device_headers()) {
    bool is_found = false;
    for (const char* folder : {"src", "include", "src/backend/cuda/codegen/nvrtc"}) {
      const std::filesystem::path path = root / folder / header.name;
      if (!std::filesystem::exists(path)) continue;
      is_found = true;
      std::ostringstream text;
      text << std::ifstream(path).rdbuf();
      EXPECT_EQ(text.str(), header.text) << path;
    }
    EXPECT_TRUE(is_found) << header.name;
  }
}

TEST(DeviceHeaders, are_part_of_the_key_of_compiled_code) {
  const DeviceHeader header{"a.h", "int a;"};
  const DeviceHeader changed{"a.h", "int b;"};
  const DeviceHeader renamed{"b.h", "int a;"};
  const std::string key = code_key("sm_90", "source", {&header, 1});
  EXPECT_EQ(code_key("sm_90", "source", {&header, 1}), key);
  EXPECT_NE(code_key("sm_90", "source", {&changed, 1}), key);
  EXPECT_NE(code_key("sm_90", "source", {&renamed, 1}), key);
  EXPECT_NE(code_key("sm_90", "source", {}), key);
  EXPECT_NE(code_key("sm_90", "other", {&header, 1}), key);
  EXPECT_NE(code_key("sm_80", "source", {&header, 1}), key);
}

}  // namespace
}  // namespace stoker

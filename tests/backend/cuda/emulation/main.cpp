// gtest's main for tests that run on the emulated CUDA backend.
//   --collect=FILE            writes the generated kernels of all tests to FILE, and runs none
//   --compile=FILE,LIBRARY    makes a shared object of them
//   --library=LIBRARY         uses it
//   --own-kernels             cuDNN refuses everything
//   --only=FOLDER,FOLDER      of tests/, whose tests run
#include <gtest/gtest.h>

#include <iostream>
#include <sstream>
#include <string>
#include <string_view>

#include "backend/cuda/emulation/chosen_backend.h"
#include "backend/cuda/emulation/emulated_backend.h"

namespace {

using stoker::backend::Backend;
using stoker::device::Device;
namespace emulation = stoker::emulation;

emulation::Dnn dnn = emulation::Dnn::accepts_all;

std::unique_ptr<Backend> make(const std::shared_ptr<Device>&, int) {
  return emulation::make_emulated_backend(dnn);
}

// What follows `name` in an argument that begins with it; empty for another argument.
std::string value_of(std::string_view argument, std::string_view name) {
  return std::string(argument.starts_with(name) ? argument.substr(name.size()) : "");
}

// Leaves, of the tests that the filter lets through, those whose source lies in one of these
// folders of tests/.
void keep_folders(const std::string& folders) {
  std::string kept;
  const auto& all = *testing::UnitTest::GetInstance();
  for (int i = 0; i < all.total_test_suite_count(); ++i) {
    const testing::TestSuite& suite = *all.GetTestSuite(i);
    const std::string_view file = suite.GetTestInfo(0)->file();
    std::istringstream names(folders);
    for (std::string name; std::getline(names, name, ',');) {
      if (file.find("tests/" + name + "/") != std::string_view::npos) {
        kept += std::string(kept.empty() ? "" : ":") + suite.name() + ".*";
        break;
      }
    }
  }
  const std::string given = testing::GTEST_FLAG(filter);
  const std::size_t minus = given.find('-');
  testing::GTEST_FLAG(filter) = kept + (minus == std::string::npos ? "" : given.substr(minus));
}

// Failures of tests whose kernels did not run mean nothing.
class Silence final : public testing::EmptyTestEventListener {};

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  bool collects = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (const std::string file = value_of(argument, "--collect="); !file.empty()) {
      emulation::collect_into(file);
      collects = true;
    }
    if (const std::string files = value_of(argument, "--compile="); !files.empty()) {
      const std::size_t comma = files.find(',');
      emulation::compile_collected(files.substr(0, comma), files.substr(comma + 1));
      return 0;
    }
    if (const std::string file = value_of(argument, "--library="); !file.empty()) {
      emulation::use_library(file);
    }
    if (const std::string folders = value_of(argument, "--only="); !folders.empty()) {
      keep_folders(folders);
    }
    if (argument == "--own-kernels") dnn = emulation::Dnn::refuses_all;
  }
  const emulation::ChosenBackend emulated(make);
  if (!collects) return RUN_ALL_TESTS();
  auto& listeners = testing::UnitTest::GetInstance()->listeners();
  delete listeners.Release(listeners.default_result_printer());
  listeners.Append(new Silence);
  const int ignored = RUN_ALL_TESTS();
  (void)ignored;
  return 0;
}

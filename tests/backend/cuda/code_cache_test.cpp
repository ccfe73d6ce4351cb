#include "backend/cuda/code_cache.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "backend/cuda/architecture.h"

namespace stoker::backend::cuda {
namespace {

namespace fs = std::filesystem;

std::vector<std::byte> code_of(std::size_t bytes, int value) {
  return std::vector<std::byte>(bytes, static_cast<std::byte>(value));
}

class CodeCacheTest : public testing::Test {
 protected:
  CodeCacheTest() {
    std::string name = (fs::temp_directory_path() / "stoker-cache-XXXXXX").string();
    folder_ = mkdtemp(name.data()) != nullptr ? name : "";
  }
  ~CodeCacheTest() override { fs::remove_all(folder_); }

  std::ptrdiff_t files() const {
    return std::distance(fs::directory_iterator(folder_), fs::directory_iterator());
  }

  fs::path folder_;
};

TEST_F(CodeCacheTest, finds_what_was_stored_and_nothing_else) {
  const CodeCache cache(folder_ / "made" / "when needed");
  EXPECT_FALSE(cache.find("a"));
  cache.store("a", code_of(1000, 1));
  cache.store("b", code_of(10, 2));
  EXPECT_EQ(cache.find("a"), code_of(1000, 1));
  EXPECT_EQ(cache.find("b"), code_of(10, 2));
  EXPECT_FALSE(cache.find("c"));
  cache.store("a", code_of(5, 3));
  EXPECT_EQ(cache.find("a"), code_of(5, 3));
}

TEST_F(CodeCacheTest, does_not_trust_a_file_that_was_cut_or_changed) {
  const CodeCache cache(folder_);
  cache.store("key", code_of(1000, 1));
  const fs::path file = fs::directory_iterator(folder_)->path();
  {
    std::fstream change(file, std::ios::in | std::ios::out | std::ios::binary);
    change.seekp(500);
    change.put('x');
  }
  EXPECT_FALSE(cache.find("key"));
  cache.store("key", code_of(1000, 1));
  fs::resize_file(file, 200);
  EXPECT_FALSE(cache.find("key"));
  fs::resize_file(file, 3);
  EXPECT_FALSE(cache.find("key"));
}

TEST_F(CodeCacheTest, drops_what_was_not_used_for_longest) {
  const CodeCache cache(folder_, 2500);
  cache.store("old", code_of(1000, 1));
  cache.store("used", code_of(1000, 2));
  const auto now = fs::file_time_type::clock::now();
  for (const auto& entry : fs::directory_iterator(folder_)) {
    fs::last_write_time(entry.path(), now - std::chrono::hours(1));
  }
  EXPECT_TRUE(cache.find("used"));  // which makes it young
  cache.store("new", code_of(1000, 3));
  EXPECT_FALSE(cache.find("old"));
  EXPECT_TRUE(cache.find("used"));
  EXPECT_TRUE(cache.find("new"));
  EXPECT_EQ(files(), 2);
}

TEST_F(CodeCacheTest, is_no_error_where_nothing_can_be_written) {
  std::ofstream(folder_ / "file") << "not a folder";
  const CodeCache cache((folder_ / "file").string());
  cache.store("key", code_of(10, 1));
  EXPECT_FALSE(cache.find("key"));
  const CodeCache none("");
  none.store("key", code_of(10, 1));
  EXPECT_FALSE(none.find("key"));
}

TEST(Architecture, is_machine_code_where_nvrtc_knows_the_gpu_and_ptx_for_a_later_one) {
  const int supported[] = {75, 80, 86, 89, 90, 100, 120};
  EXPECT_EQ(architecture_for(supported, 90), "sm_90");
  EXPECT_EQ(architecture_for(supported, 87), "compute_86");
  EXPECT_EQ(architecture_for(supported, 130), "compute_120");
  EXPECT_EQ(architecture_for(supported, 70), "");
}

}  // namespace
}  // namespace stoker::backend::cuda

#include "backend/cuda/runtime/code_cache.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "backend/cuda/runtime/architecture.h"

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

mode_t mode_of(const fs::path& path) {
  struct stat found {};
  EXPECT_EQ(lstat(path.c_str(), &found), 0) << path;
  return found.st_mode & 07777;
}

// With umask 0, everything would be everybody's.
TEST_F(CodeCacheTest, makes_folders_and_files_for_its_user_alone) {
  const fs::path inner = folder_ / "made" / "when needed";
  const mode_t before = umask(0);
  CodeCache(inner).store("key", code_of(10, 1));
  umask(before);
  EXPECT_EQ(mode_of(folder_ / "made"), 0700U);
  EXPECT_EQ(mode_of(inner), 0700U);
  EXPECT_EQ(mode_of(fs::directory_iterator(inner)->path()), 0600U);
  EXPECT_EQ(CodeCache(inner).find("key"), code_of(10, 1));
}

TEST_F(CodeCacheTest, takes_a_path_that_ends_in_a_slash) {
  const CodeCache cache((folder_ / "a" / "b").string() + "/");
  cache.store("key", code_of(10, 1));
  EXPECT_EQ(cache.find("key"), code_of(10, 1));
}

TEST_F(CodeCacheTest, takes_no_file_that_others_may_write) {
  const CodeCache cache(folder_);
  cache.store("key", code_of(10, 1));
  const fs::path file = fs::directory_iterator(folder_)->path();
  for (const mode_t mode : {0620U, 0602U, 0666U}) {
    ASSERT_EQ(chmod(file.c_str(), mode), 0);
    EXPECT_FALSE(cache.find("key")) << std::oct << mode;
  }
  ASSERT_EQ(chmod(file.c_str(), 0644), 0);
  EXPECT_EQ(cache.find("key"), code_of(10, 1));
}

TEST_F(CodeCacheTest, takes_no_file_of_another_user) {
  const CodeCache cache(folder_);
  cache.store("key", code_of(10, 1));
  const fs::path file = fs::directory_iterator(folder_)->path();
  if (chown(file.c_str(), 65534, 65534) != 0) GTEST_SKIP() << "only root gives files away";
  EXPECT_FALSE(cache.find("key"));
}

// Neither kind of link: both name a file that somebody else may have chosen.
TEST_F(CodeCacheTest, takes_no_link) {
  const CodeCache cache(folder_);
  cache.store("key", code_of(10, 1));
  const fs::path file = fs::directory_iterator(folder_)->path();
  fs::create_hard_link(file, folder_ / "elsewhere");
  EXPECT_FALSE(cache.find("key"));
  fs::remove(file);
  EXPECT_FALSE(cache.find("key"));
  fs::create_symlink(folder_ / "elsewhere", file);
  EXPECT_FALSE(cache.find("key"));
  cache.store("key", code_of(10, 2));  // replaces the link, not what it names
  EXPECT_EQ(cache.find("key"), code_of(10, 2));
}

TEST_F(CodeCacheTest, waits_for_no_pipe_and_reads_no_folder) {
  const CodeCache cache(folder_, 100);
  cache.store("key", code_of(10, 1));
  const fs::path file = fs::directory_iterator(folder_)->path();
  fs::remove(file);
  ASSERT_EQ(mkfifo(file.c_str(), 0600), 0);
  EXPECT_FALSE(cache.find("key"));
  // Its size is none of the folder's either: other files are kept.
  cache.store("other", code_of(10, 2));
  EXPECT_EQ(cache.find("other"), code_of(10, 2));
  fs::remove(file);
  fs::create_directory(file);
  EXPECT_FALSE(cache.find("key"));
}

// Sizes that wrap around, or that are more than the file has, allocate nothing.
TEST_F(CodeCacheTest, does_not_believe_sizes_that_the_file_does_not_have) {
  const std::string key(1000, 'k');
  const CodeCache cache(folder_);
  cache.store(key, code_of(10, 1));
  const fs::path file = fs::directory_iterator(folder_)->path();
  fs::resize_file(file, 40);
  const std::uint64_t wrapped = 40U - 32U - 1000U;  // what code_bytes would have to be
  std::fstream change(file, std::ios::in | std::ios::out | std::ios::binary);
  change.seekp(16);
  change.write(reinterpret_cast<const char*>(&wrapped), sizeof(wrapped));
  change.close();
  EXPECT_FALSE(cache.find(key));
}

TEST_F(CodeCacheTest, takes_no_file_in_which_a_byte_changed_or_is_missing) {
  const CodeCache cache(folder_);
  cache.store("key", code_of(40, 7));
  const fs::path file = fs::directory_iterator(folder_)->path();
  std::ifstream in(file, std::ios::binary);
  const std::string whole((std::istreambuf_iterator<char>(in)), {});
  for (std::size_t i = 0; i < whole.size(); ++i) {
    std::string changed = whole;
    changed[i] = static_cast<char>(changed[i] ^ 0x40);
    std::ofstream(file, std::ios::binary | std::ios::trunc) << changed;
    EXPECT_FALSE(cache.find("key")) << "byte " << i;
    std::ofstream(file, std::ios::binary | std::ios::trunc) << whole.substr(0, i);
    EXPECT_FALSE(cache.find("key")) << i << " bytes";
  }
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

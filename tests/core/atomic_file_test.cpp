#include "core/atomic_file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "stoker/error.h"

namespace stoker {
namespace {

namespace fs = std::filesystem;

std::string contents(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// A directory of its own for each test.
class AtomicFileTest : public testing::Test {
 protected:
  AtomicFileTest() {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    directory_ = fs::path(testing::TempDir()) / (std::string("stoker_") + test->name());
    fs::remove_all(directory_);
    fs::create_directories(directory_);
  }
  ~AtomicFileTest() override { fs::remove_all(directory_); }

  std::size_t files() const {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(directory_), fs::directory_iterator()));
  }

  fs::path directory_;
};

TEST_F(AtomicFileTest, a_committed_file_holds_what_was_written_and_nothing_else_stays) {
  AtomicFile file(directory_ / "weights");
  file.write("one ");
  file.write(std::string_view("t\0o", 3));
  file.commit();
  EXPECT_EQ(contents(directory_ / "weights"), std::string("one t\0o", 7));
  EXPECT_EQ(files(), 1U);
}

TEST_F(AtomicFileTest, the_old_file_stays_until_the_commit) {
  write_file(directory_ / "weights", "old");
  AtomicFile file(directory_ / "weights");
  file.write("new");
  EXPECT_EQ(contents(directory_ / "weights"), "old");
  file.commit();
  EXPECT_EQ(contents(directory_ / "weights"), "new");
}

TEST_F(AtomicFileTest, without_a_commit_nothing_changes) {
  write_file(directory_ / "weights", "old");
  {
    AtomicFile file(directory_ / "weights");
    file.write("new");
    EXPECT_EQ(files(), 2U);
  }
  EXPECT_EQ(contents(directory_ / "weights"), "old");
  EXPECT_EQ(files(), 1U);
}

TEST_F(AtomicFileTest, two_at_once_do_not_meet) {
  AtomicFile a(directory_ / "a");
  AtomicFile b(directory_ / "b");
  a.write("first");
  b.write("second");
  b.commit();
  a.commit();
  EXPECT_EQ(contents(directory_ / "a"), "first");
  EXPECT_EQ(contents(directory_ / "b"), "second");
}

TEST_F(AtomicFileTest, a_name_as_long_as_the_system_allows_works) {
  const fs::path path = directory_ / std::string(255, 'w');
  write_file(path, "x");
  EXPECT_EQ(contents(path), "x");
}

TEST_F(AtomicFileTest, a_missing_directory_is_an_error_that_says_why) {
  const fs::path path = directory_ / "missing" / "weights";
  try {
    write_file(path, "x");
    FAIL() << "expected an IoError";
  } catch (const IoError& error) {
    EXPECT_EQ(error.what(), "Writing " + path.string() +
                                ": could not create a file beside it: No such file or directory");
  }
}

TEST_F(AtomicFileTest, a_directory_in_the_way_is_an_error_and_leaves_no_temporary_file) {
  const fs::path path = directory_ / "weights";
  fs::create_directory(path);
  try {
    write_file(path, "x");
    FAIL() << "expected an IoError";
  } catch (const IoError& error) {
    EXPECT_EQ(error.what(), "Writing " + path.string() +
                                ": could not rename the finished file to it: Is a directory");
  }
  EXPECT_EQ(files(), 1U);
}

// A file size limit stands in for a full disk: the write comes back short, then fails.
TEST_F(AtomicFileTest, a_failed_write_is_an_error_and_keeps_the_old_file) {
  const fs::path path = directory_ / "weights";
  write_file(path, "old");
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit small{1000, before.rlim_max};
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  std::string message = "no IoError was thrown";
  try {
    write_file(path, std::string(2000, 'x'));
  } catch (const IoError& error) {
    message = error.what();
  }
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(message, "Writing " + path.string() + ": could not write it: File too large");
  EXPECT_EQ(contents(path), "old");
  EXPECT_EQ(files(), 1U);
}

}  // namespace
}  // namespace stoker

#include "core/atomic_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

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

// ---- What is there already ----
mode_t mode_of(const fs::path& path) {
  struct stat found {};
  EXPECT_EQ(lstat(path.c_str(), &found), 0);
  return found.st_mode;
}

TEST_F(AtomicFileTest, a_file_keeps_the_mode_that_it_had) {
  const fs::path path = directory_ / "weights";
  for (const mode_t mode : {0600U, 0640U, 0755U, 0444U}) {
    fs::remove(path);
    write_file(path, "old");
    ASSERT_EQ(chmod(path.c_str(), mode), 0);
    write_file(path, "new");
    EXPECT_EQ(mode_of(path) & 07777U, mode);
    EXPECT_EQ(contents(path), "new");
  }
}

TEST_F(AtomicFileTest, nobody_else_can_read_a_private_file_while_it_is_written) {
  const fs::path path = directory_ / "weights";
  write_file(path, "old");
  ASSERT_EQ(chmod(path.c_str(), 0600), 0);
  AtomicFile file(path);
  for (const auto& entry : fs::directory_iterator(directory_)) {
    EXPECT_EQ(mode_of(entry.path()) & 0777U, 0600U) << entry.path();
  }
}

TEST_F(AtomicFileTest, a_file_keeps_its_owner) {
  if (geteuid() != 0) GTEST_SKIP() << "only root may give files away";
  const fs::path path = directory_ / "weights";
  write_file(path, "old");
  ASSERT_EQ(chown(path.c_str(), 12, 34), 0);
  write_file(path, "new");
  struct stat found {};
  ASSERT_EQ(stat(path.c_str(), &found), 0);
  EXPECT_EQ(found.st_uid, 12U);
  EXPECT_EQ(found.st_gid, 34U);
}

TEST_F(AtomicFileTest, links_are_followed_and_stay) {
  fs::create_directory(directory_ / "far");
  write_file(directory_ / "far" / "weights", "old");
  fs::create_symlink("far/weights", directory_ / "near");
  fs::create_symlink("near", directory_ / "nearer");
  fs::create_symlink("far/new", directory_ / "dangling");
  write_file(directory_ / "nearer", "new");
  write_file(directory_ / "dangling", "made");
  EXPECT_TRUE(fs::is_symlink(directory_ / "near"));
  EXPECT_TRUE(fs::is_symlink(directory_ / "nearer"));
  EXPECT_TRUE(fs::is_symlink(directory_ / "dangling"));
  EXPECT_EQ(contents(directory_ / "far" / "weights"), "new");
  EXPECT_EQ(contents(directory_ / "far" / "new"), "made");
  fs::create_symlink("round", directory_ / "round");
  EXPECT_THROW(write_file(directory_ / "round", "x"), IoError);
  EXPECT_TRUE(fs::is_symlink(directory_ / "round"));
}

TEST_F(AtomicFileTest, devices_take_the_bytes_and_stay_devices) {
  write_file("/dev/null", std::string(100000, 'x'));
  EXPECT_TRUE(S_ISCHR(mode_of("/dev/null")));
  const fs::path node = directory_ / "null";
  if (mknod(node.c_str(), S_IFCHR | 0666, makedev(1, 3)) == 0) {
    write_file(node, "x");
    EXPECT_TRUE(S_ISCHR(mode_of(node)));
  }
  EXPECT_THROW(write_file("/dev/full", "x"), IoError);
  EXPECT_TRUE(S_ISCHR(mode_of("/dev/full")));
}

TEST_F(AtomicFileTest, a_pipe_takes_the_bytes_where_somebody_reads_it) {
  const fs::path pipe = directory_ / "pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_THROW(write_file(pipe, "nobody reads this"), IoError);
  const int reader = open(pipe.c_str(), O_RDONLY | O_NONBLOCK);
  ASSERT_GE(reader, 0);
  write_file(pipe, "trace");
  std::string read(16, '\0');
  const ssize_t count = ::read(reader, read.data(), read.size());
  EXPECT_EQ(read.substr(0, static_cast<std::size_t>(count)), "trace");
  // A reader that goes away is an error, and no signal that ends the process.
  AtomicFile file(pipe);
  close(reader);
  EXPECT_THROW(file.write("more"), IoError);
  EXPECT_TRUE(S_ISFIFO(mode_of(pipe)));
  EXPECT_EQ(files(), 1U);
}

TEST_F(AtomicFileTest, a_descriptor_gets_the_bytes_behind_what_was_written_to_it) {
  const fs::path path = directory_ / "log";
  const int log = open(path.c_str(), O_WRONLY | O_CREAT, 0600);
  ASSERT_GE(log, 0);
  ASSERT_EQ(::write(log, "before ", 7), 7);
  write_file("/dev/fd/" + std::to_string(log), "trace");
  ASSERT_EQ(::write(log, " behind", 7), 7);
  close(log);
  EXPECT_EQ(contents(path), "before trace behind");
}

TEST_F(AtomicFileTest, a_socket_is_refused) {
  const fs::path path = directory_ / "s";
  const int socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.native().size() >= sizeof address.sun_path) GTEST_SKIP() << "a name that is too long";
  path.native().copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  EXPECT_THROW(write_file(path, "x"), IoError);
  EXPECT_TRUE(S_ISSOCK(mode_of(path)));
  close(socket);
}

}  // namespace
}  // namespace stoker

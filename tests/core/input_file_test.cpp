#include "core/input_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <string>
#include <vector>

#include "stoker/error.h"
#include "support/contains.h"
#include "support/message.h"
#include "support/temporary_folder.h"

namespace stoker {
namespace {

using test::contains;
using test::message_of;
using test::TemporaryFolder;

std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST(InputFile, reads_forwards_to_the_end_and_again) {
  const TemporaryFolder folder;
  InputFile file(folder.write("a", "abcdef"));
  EXPECT_EQ(file.size(), 6U);
  std::vector<std::byte> bytes(4);
  EXPECT_EQ(file.read(bytes), 4U);
  EXPECT_EQ(text_of(bytes), "abcd");
  EXPECT_EQ(file.read(bytes), 2U);
  EXPECT_EQ(file.read(bytes), 0U);
  file.rewind();
  EXPECT_EQ(file.read(bytes), 4U);
  EXPECT_EQ(text_of(bytes), "abcd");
}

TEST(InputFile, what_is_no_regular_file_is_refused_at_once) {
  const TemporaryFolder folder;
  const std::string pipe = folder / "pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  const auto error = [](const std::string& path) {
    return message_of<IoError>([&] { InputFile file(path); });
  };
  EXPECT_EQ(error(pipe), pipe + ": expected a regular file, received a pipe");
  EXPECT_TRUE(contains(error(folder.path()), "expected a regular file, received a directory"));
  EXPECT_TRUE(contains(error("/dev/zero"), "expected a regular file, received a directory or a device"));
  EXPECT_TRUE(contains(error(folder / "none"), "expected a file, received: No such file"));
}

TEST(InputFile, only_a_name_that_is_not_there_is_no_error_where_it_may_be_missing) {
  const TemporaryFolder folder;
  EXPECT_FALSE(InputFile::open_existing(folder / "none").has_value());
  EXPECT_TRUE(InputFile::open_existing(folder.write("a", "")).has_value());
  EXPECT_THROW((void)InputFile::open_existing(folder.path()), IoError);
  EXPECT_THROW((void)InputFile::open_existing(folder.path() + "/a/b"), IoError);
}

TEST(InputFile, a_whole_file_is_read_into_memory_that_is_used_again) {
  const TemporaryFolder folder;
  std::vector<std::byte> memory;
  const std::string large(100000, 'x');
  EXPECT_EQ(text_of(read_whole_file(folder.write("a", large), 100000, memory)), large);
  EXPECT_EQ(text_of(read_whole_file(folder.write("b", "small"), 100000, memory)), "small");
  EXPECT_EQ(text_of(read_whole_file(folder.write("c", ""), 100000, memory)), "");
  EXPECT_GE(memory.size(), large.size());
  EXPECT_TRUE(contains(message_of<IoError>([&] { read_whole_file(folder / "a", 99999, memory); }),
                       "expected a file of at most 99999 bytes, received 100000"));
  // A file of the system's that says that it is empty, and is not.
  EXPECT_FALSE(read_whole_file("/proc/self/status", 100000, memory).empty());
}

}  // namespace
}  // namespace stoker

#include "io/zip.h"

#include <gtest/gtest.h>
#include <zip.h>

#include <cstring>
#include <string>
#include <vector>

#include "stoker/error.h"
#include "support/message.h"
#include "support/temporary_folder.h"

namespace stoker::io {
namespace {

using test::message_of;
using test::TemporaryFolder;

constexpr std::uint64_t kMost = std::uint64_t{1} << 30;

std::string archive(const std::vector<std::pair<std::string, std::string>>& members) {
  std::string bytes;
  ZipWriter zip([&](std::span<const std::byte> piece) {
    bytes.append(reinterpret_cast<const char*>(piece.data()), piece.size());
  });
  bool is_streamed = false;
  for (const auto& [name, text] : members) {
    if (is_streamed) {
      zip.member(name, text.size(), [&](const ZipWriter::Sink& sink) {
        const auto data = std::as_bytes(std::span(text));
        sink(data.first(data.size() / 2));
        sink(data.subspan(data.size() / 2));
      });
    } else {
      zip.member(name, text);
    }
    is_streamed = !is_streamed;
  }
  zip.close();
  return bytes;
}

class Zip : public ::testing::Test {
 protected:
  std::string path_of(const std::string& bytes) {
    folder_.write("a.zip", bytes);
    return folder_ / "a.zip";
  }
  std::string refusal(const std::string& bytes, const std::string& name = "b") {
    const std::string path = path_of(bytes);
    return message_of<IoError>([&] {
      const ZipReader zip(path, 4);
      if (const ZipMember* member = zip.find(name)) zip.read(*member, kMost);
    });
  }
  const TemporaryFolder folder_;
};

TEST_F(Zip, holds_what_was_written) {
  const std::string large(3'000'000, 'x');
  const std::string path = path_of(archive({{"a", "first"}, {"b", large}, {"c", ""}}));
  const ZipReader zip(path, 3);
  ASSERT_EQ(zip.members().size(), 3u);
  EXPECT_EQ(zip.read(*zip.find("a"), kMost).text(), "first");
  EXPECT_EQ(zip.read(*zip.find("b"), kMost).text(), large);
  EXPECT_EQ(zip.read(*zip.find("c"), kMost).text(), "");
  EXPECT_EQ(zip.find("d"), nullptr);
}

TEST_F(Zip, refuses_what_is_no_archive) {
  EXPECT_NE(refusal("this is no archive").find("expected a zip archive"), std::string::npos);
  EXPECT_NE(refusal(""), "");
}

TEST_F(Zip, limits_members_and_their_sizes) {
  const std::string five = archive({{"a", ""}, {"b", ""}, {"c", ""}, {"d", ""}, {"e", ""}});
  EXPECT_NE(refusal(five).find("expected at most 4 members, received 5"), std::string::npos);
  const std::string path = path_of(archive({{"a", "twelve bytes"}}));
  const ZipReader zip(path, 4);
  const std::string message = message_of<IoError>([&] { zip.read(*zip.find("a"), 11); });
  EXPECT_NE(message.find("expected at most 11 bytes, received 12"), std::string::npos) << message;
}

TEST_F(Zip, refuses_two_members_of_one_name) {
  EXPECT_NE(refusal(archive({{"a", "1"}, {"a", "2"}})).find("two of one name"), std::string::npos);
}

TEST_F(Zip, notices_damage) {
  const std::string whole = archive({{"a", "first"}, {"b", "the second member"}});
  std::string flipped = whole;
  flipped[whole.find("the second")] = 'T';
  EXPECT_NE(refusal(flipped).find("could not read it"), std::string::npos) << refusal(flipped);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_NE(refusal(whole.substr(0, size)), "") << size;
  }
}

// A megabyte of zeros that says that it is a terabyte.
TEST_F(Zip, refuses_more_bytes_than_deflate_can_have_packed) {
  const std::string path = folder_ / "bomb.zip";
  int code = 0;
  zip_t* made = zip_open(path.c_str(), ZIP_CREATE, &code);
  const std::string zeros(1'000'000, '\0');
  zip_source_t* source = zip_source_buffer(made, zeros.data(), zeros.size(), 0);
  ASSERT_GE(zip_file_add(made, "b", source, 0), 0);
  zip_set_file_compression(made, 0, ZIP_CM_DEFLATE, 9);
  ASSERT_EQ(zip_close(made), 0);
  std::string bytes = test::read_all(path);
  {
    const ZipReader honest(path, 4);
    EXPECT_EQ(honest.read(*honest.find("b"), kMost).text(), zeros);
  }
  // The sizes stand 22 bytes into the header and 24 into the entry of the directory.
  const std::uint32_t size = 0xfffffff0u;
  std::memcpy(&bytes[22], &size, 4);
  std::memcpy(&bytes[bytes.find("PK\x01\x02") + 24], &size, 4);
  EXPECT_NE(refusal(bytes).find("which cannot give so many"), std::string::npos) << refusal(bytes);
}

}  // namespace
}  // namespace stoker::io

#include "io/safetensors.h"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "stoker/error.h"
#include "support/message.h"
#include "support/temporary_folder.h"

namespace stoker::io {
namespace {

using test::message_of;
using test::TemporaryFolder;

// The text of a file with that header, whose length may be said wrongly.
std::string file_of(const std::string& header, std::size_t data_bytes = 0,
                    std::uint64_t length = ~std::uint64_t{0}) {
  if (length == ~std::uint64_t{0}) length = header.size();
  std::string bytes(sizeof length, '\0');
  std::memcpy(bytes.data(), &length, sizeof length);
  return bytes + header + std::string(data_bytes, '\x01');
}

std::string entry(const std::string& name, const std::string& dtype, const std::string& shape,
                  const std::string& offsets) {
  return "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape +
         ",\"data_offsets\":" + offsets + "}";
}

class Safetensors : public ::testing::Test {
 protected:
  // The message by which a file is refused, without the file's name.
  std::string refusal(const std::string& bytes) {
    const std::string path = folder_.write("a.safetensors", bytes);
    const std::string message = message_of<IoError>([&] { SafetensorsReader reader(path); });
    const std::string begin = path + ": expected a safetensors file, but ";
    EXPECT_TRUE(message.starts_with(begin)) << message;
    return message.substr(std::min(message.size(), begin.size()));
  }
  std::string refusal_of_header(const std::string& header, std::size_t data_bytes = 8) {
    return refusal(file_of(header, data_bytes));
  }
  const TemporaryFolder folder_;
};

TEST_F(Safetensors, hold_what_was_written) {
  const std::string path = folder_ / "a.safetensors";
  SafetensorsWriter writer(path, {.metadata = {{"format", "keras"}},
                                  .entries = {{"a/b", "F32", {2, 3}},
                                              {"none", "U8", {0, 5}},
                                              {"scalar", "I32", {}},
                                              {"half", "BF16", {1, 1, 1, 1, 1, 1, 1, 3}}}});
  const std::string bytes = "24 bytes of the first...scalsixsix";
  writer.write(std::as_bytes(std::span(bytes).first(10)));
  writer.write(std::as_bytes(std::span(bytes).subspan(10)));
  writer.commit();
  SafetensorsReader reader(path);
  EXPECT_EQ(reader.header().metadata.at("format"), "keras");
  EXPECT_EQ((8 + reader.header_text().size()) % 8, 0U);
  const auto read = [&](const char* name) {
    const SafetensorsEntry* found = reader.header().find(name);
    std::string text(found->bytes(), ' ');
    reader.read(*found, std::as_writable_bytes(std::span(text)));
    return text;
  };
  EXPECT_EQ(read("a/b"), "24 bytes of the first...");
  EXPECT_EQ(read("none"), "");
  EXPECT_EQ(read("scalar"), "scal");
  EXPECT_EQ(read("half"), "sixsix");
  EXPECT_EQ(reader.header().find("missing"), nullptr);
}

TEST_F(Safetensors, take_a_header_with_spaces_and_tensors_in_any_order) {
  const std::string path =
      folder_.write("a.safetensors", file_of("{" + entry("b", "F32", "[1]", "[4,8]") + "," +
                                                 entry("a", "U8", "[4]", "[0,4]") + "}      ",
                                             8));
  const SafetensorsReader reader(path);
  ASSERT_EQ(reader.header().entries.size(), 2U);
  EXPECT_EQ(reader.header().entries[0].name, "a");
  EXPECT_EQ(reader.header().entries[1].begin, 4U);
}

TEST_F(Safetensors, refuse_headers_longer_than_the_file) {
  EXPECT_EQ(refusal(""), "it has 0 bytes");
  EXPECT_EQ(refusal("short"), "it has 5 bytes");
  EXPECT_EQ(refusal(file_of("{}", 0, 3)), "its header would have 3 bytes, and the file has 10");
  EXPECT_NE(refusal(file_of("{}", 0, ~std::uint64_t{1})).find("its header would have"),
            std::string::npos);
}

TEST_F(Safetensors, refuse_headers_of_more_than_100_megabytes) {
  const std::string path = folder_.write("a.safetensors", file_of("{}", 0, 100'000'001));
  std::filesystem::resize_file(path, 200'000'000);  // A hole, which takes no disk.
  EXPECT_NE(message_of<IoError>([&] {
              SafetensorsReader reader(path);
            }).find("its header would have 100000001 bytes"),
            std::string::npos);
}

TEST_F(Safetensors, refuse_what_is_no_map_of_tensors) {
  EXPECT_NE(refusal_of_header(""), "");
  EXPECT_NE(refusal_of_header("[]"), "");
  EXPECT_NE(refusal_of_header("{"), "");
  EXPECT_NE(refusal_of_header("{\"a\":1}"), "");
  EXPECT_NE(refusal_of_header("{\"a\":{}}"), "");
  EXPECT_NE(refusal_of_header("{} {}"), "");
  EXPECT_NE(refusal_of_header("{\"__metadata__\":{\"a\":1}}", 0), "");
  EXPECT_NE(refusal_of_header("{\"__metadata__\":[]}", 0), "");
  EXPECT_NE(refusal_of_header("{" + entry("a", "F32", "2", "[0,8]") + "}"), "");
  EXPECT_NE(refusal_of_header("{" + entry("a", "F32", "{\"0\":2}", "[0,8]") + "}"), "");
  EXPECT_NE(refusal_of_header("{" + entry("a", "F32", "[2.5]", "[0,8]") + "}"), "");
  EXPECT_NE(refusal_of_header("{" + entry("a", "F32", "[2]", "{\"a\":0,\"b\":8}") + "}"), "");
  EXPECT_NE(refusal_of_header("{" + entry("a", "F32", "[2]", "[0,8,8]") + "}"), "");
  EXPECT_NE(refusal_of_header("{\"a\":{\"dtype\":7,\"shape\":[2],\"data_offsets\":[0,8]}}"), "");
}

TEST_F(Safetensors, refuse_json_of_many_levels) {
  for (const char bracket : {'[', '{'}) {
    const std::string opening = bracket == '[' ? "[" : "{\"a\":";
    std::string text = "{\"a\":";
    for (int i = 0; i < 100'000; ++i) text += opening;
    EXPECT_NE(refusal_of_header(text).find("at most 256 levels"), std::string::npos);
  }
}

TEST_F(Safetensors, refuse_types_and_shapes_that_do_not_fit_the_bytes) {
  EXPECT_EQ(refusal_of_header("{" + entry("a", "F31", "[2]", "[0,8]") + "}"),
            "tensor \"a\" has the unknown element type \"F31\"");
  EXPECT_EQ(refusal_of_header("{" + entry("a", "F32", "[3]", "[0,8]") + "}"),
            "tensor \"a\" of F32 (3,) needs 12 bytes, its data_offsets are 0 and 8");
  EXPECT_EQ(refusal_of_header("{" + entry("a", "F32", "[-2]", "[0,8]") + "}"),
            "tensor \"a\" has an extent of -2");
  EXPECT_EQ(refusal_of_header("{" + entry("a", "F32", "[2]", "[8,0]") + "}"),
            "tensor \"a\" of F32 (2,) needs 8 bytes, its data_offsets are 8 and 0");
  EXPECT_EQ(refusal_of_header("{" + entry("a", "F32", "[2]", "[-8,0]") + "}"),
            "tensor \"a\" lies at -8");
  EXPECT_EQ(refusal_of_header("{" + entry("a", "U8", "[1,1,1,1,1,1,1,1,8]", "[0,8]") + "}"),
            "tensor \"a\" has 9 axes, more than 8");
}

TEST_F(Safetensors, refuse_products_that_overflow) {
  EXPECT_EQ(refusal_of_header("{" + entry("a", "F32", "[4294967296,4294967296]", "[0,0]") + "}", 0),
            "tensor \"a\" has more bytes than can be counted");
  EXPECT_EQ(refusal_of_header("{" + entry("a", "F64", "[4611686018427387904,4]", "[0,0]") + "}", 0),
            "tensor \"a\" has more bytes than can be counted");
  // 2^63 and more is no int64.
  EXPECT_NE(refusal_of_header("{" + entry("a", "U8", "[18446744073709551615]", "[0,8]") + "}"), "");
}

TEST_F(Safetensors, refuse_tensors_that_overlap_or_leave_gaps) {
  const auto two = [](const std::string& first, const std::string& second) {
    return "{" + entry("a", "U8", "[4]", first) + "," + entry("b", "U8", "[4]", second) + "}";
  };
  EXPECT_EQ(refusal_of_header(two("[0,4]", "[0,4]")),
            "tensor \"b\" begins at byte 0, where the one before it ends at 4");
  EXPECT_EQ(refusal_of_header(two("[0,4]", "[2,6]")),
            "tensor \"b\" begins at byte 2, where the one before it ends at 4");
  EXPECT_EQ(refusal_of_header(two("[0,4]", "[5,9]")),
            "tensor \"b\" begins at byte 5, where the one before it ends at 4");
  EXPECT_EQ(refusal_of_header(two("[1,5]", "[5,9]")),
            "tensor \"a\" begins at byte 1, where the one before it ends at 0");
  EXPECT_EQ(refusal_of_header(two("[0,4]", "[4,8]"), 9),
            "its tensors take 8 bytes, and 9 follow the header");
  EXPECT_EQ(refusal_of_header(two("[0,4]", "[4,8]"), 7),
            "its tensors take 8 bytes, and 7 follow the header");
}

TEST_F(Safetensors, refuse_names_and_keys_that_stand_twice_or_are_unknown) {
  const std::string one = entry("a", "U8", "[4]", "[0,4]");
  EXPECT_NE(refusal_of_header("{" + one + "," + one + "}").find("stands twice"), std::string::npos);
  EXPECT_NE(refusal_of_header("{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\"}}").find("stands twice"),
            std::string::npos);
  EXPECT_NE(refusal_of_header("{\"a\":{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0,8],"
                              "\"sparse\":true}}")
                .find("unknown key \"sparse\""),
            std::string::npos);
  SafetensorsHeader twice{.entries = {{"a", "U8", {4}}, {"a", "U8", {4}}}};
  EXPECT_THROW(write_safetensors_header(twice), ValueError);
}

// With a search for each name this would take minutes.
TEST_F(Safetensors, take_many_tensors_in_a_second) {
  constexpr int kTensors = 200'000;
  std::string header = "{";
  for (int i = 0; i < kTensors; ++i) {
    if (i > 0) header += ',';
    header += entry("t" + std::to_string(i), "U8", "[]",
                    "[" + std::to_string(i) + "," + std::to_string(i + 1) + "]");
  }
  header += '}';
  const SafetensorsHeader parsed = parse_safetensors_header(header, kTensors);
  EXPECT_EQ(parsed.entries.size(), static_cast<std::size_t>(kTensors));
  EXPECT_EQ(parsed.entries.back().name, "t199999");
  header.back() = ',';
  header += "\"t0\":1}";
  EXPECT_NE(message_of<ValueError>([&] {
              parse_safetensors_header(header, kTensors);
            }).find("\"t0\" stands twice"),
            std::string::npos);
}

TEST_F(Safetensors, notice_a_file_that_becomes_shorter) {
  const std::string path = folder_.write(
      "a.safetensors", file_of("{" + entry("a", "U8", "[100000]", "[0,100000]") + "}", 100'000));
  SafetensorsReader reader(path);
  std::filesystem::resize_file(path, 50'000);
  std::vector<std::byte> bytes(100'000);
  EXPECT_NE(message_of<IoError>([&] {
              reader.read(reader.header().entries[0], bytes);
            }).find("has become shorter"),
            std::string::npos);
}

TEST_F(Safetensors, give_errors_of_ours_alone_for_damaged_files) {
  const std::string whole = file_of(
      "{" + entry("a", "F32", "[2]", "[0,8]") + "," + entry("b", "U8", "[2]", "[8,10]") + "}", 10);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_NE(refusal(whole.substr(0, size)), "") << size;
  }
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (const int flip : {1, 2, 0x20, 0x80, 0xff}) {
      std::string damaged = whole;
      damaged[at] = static_cast<char>(damaged[at] ^ flip);
      const std::string path = folder_.write("b.safetensors", damaged);
      try {
        SafetensorsReader reader(path);
      } catch (const IoError&) {  // never anything else
      }
    }
  }
}

}  // namespace
}  // namespace stoker::io

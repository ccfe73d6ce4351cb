#include "io/protobuf.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "stoker/error.h"
#include "support/message.h"

namespace stoker::io {
namespace {

using namespace std::string_literals;
using test::message_of;

TEST(Protobuf, has_the_bytes_of_the_documentation) {
  // protobuf.dev, "Encoding": Test1 with a = 150, and Test2 with b = "testing".
  EXPECT_EQ(ProtoWriter().integer(1, 150).bytes(), "\x08\x96\x01");
  EXPECT_EQ(ProtoWriter().text(2, "testing").bytes(), "\x12\x07testing");
  // Test3 with c = Test1, and Test5 with packed f = 3, 270, 86942.
  EXPECT_EQ(ProtoWriter().message(3, ProtoWriter().integer(1, 150)).bytes(),
            "\x1a\x03\x08\x96\x01");
  EXPECT_EQ(ProtoWriter().integers(6, std::vector<std::int64_t>{3, 270, 86942}).bytes(),
            "\x32\x06\x03\x8e\x02\x9e\xa7\x05");
  EXPECT_EQ(ProtoWriter().integer(1, -2).bytes(), "\x08\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01");
  EXPECT_EQ(ProtoWriter().number(1, 1.0f).bytes(), "\x0d\x00\x00\x80\x3f"s);
  EXPECT_EQ(ProtoWriter().number(1, 1.0).bytes(), "\x09\x00\x00\x00\x00\x00\x00\xf0\x3f"s);
}

TEST(Protobuf, reads_what_it_writes) {
  constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();
  ProtoWriter writer;
  writer.integer(1, kLeast).number(2, -2.5f).number(536870911, 1e300).text(4, ""s);
  writer.message(5, ProtoWriter().integer(1, 7));
  writer.integers(6, std::vector<std::int64_t>{-1, 0, 300});
  ProtoReader reader(writer.bytes());
  auto field = reader.next();
  EXPECT_EQ(field->number, 1U);
  EXPECT_EQ(field->kind, ProtoField::Kind::varint);
  EXPECT_EQ(field->integer(), kLeast);
  field = reader.next();
  EXPECT_EQ(field->kind, ProtoField::Kind::fixed32);
  EXPECT_EQ(field->as_float(), -2.5f);
  field = reader.next();
  EXPECT_EQ(field->number, 536870911U);
  EXPECT_EQ(field->as_double(), 1e300);
  field = reader.next();
  EXPECT_EQ(field->kind, ProtoField::Kind::bytes);
  EXPECT_EQ(field->bytes, "");
  EXPECT_EQ(ProtoReader(reader.next()->bytes).next()->integer(), 7);
  ProtoReader packed(reader.next()->bytes);
  EXPECT_EQ(packed.next_varint(), ~std::uint64_t{0});
  EXPECT_EQ(packed.next_varint(), 0U);
  EXPECT_EQ(packed.next_varint(), 300U);
  EXPECT_EQ(packed.next_varint(), std::nullopt);
  EXPECT_FALSE(reader.next());
}

TEST(Protobuf, refuses_what_is_no_message) {
  const auto refusal = [](const std::string& bytes) {
    return message_of<ValueError>([&] {
      ProtoReader reader(bytes);
      while (reader.next()) {
      }
    });
  };
  EXPECT_EQ(refusal("\x08"s), "protocol buffer: a number that ends too early at byte 1");
  EXPECT_EQ(refusal("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"s),
            "protocol buffer: a number of more than ten bytes at byte 11");
  EXPECT_EQ(refusal("\x0d\x00\x00"s), "protocol buffer: a number that ends too early at byte 1");
  EXPECT_EQ(refusal("\x12\x05"
                    "abcd"s),
            "protocol buffer: a field that ends too early at byte 2");
  EXPECT_EQ(refusal("\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"s),
            "protocol buffer: a field that ends too early at byte 11");
  EXPECT_EQ(refusal("\x00\x01"s), "protocol buffer: a field number that there is not at byte 1");
  EXPECT_EQ(refusal("\x0b"s), "protocol buffer: a kind of field that is not read at byte 1");
}

}  // namespace
}  // namespace stoker::io

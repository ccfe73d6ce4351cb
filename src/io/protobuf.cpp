#include "io/protobuf.h"

#include <bit>
#include <cstring>

#include "core/format.h"
#include "stoker/error.h"

namespace stoker::io {

namespace {

static_assert(std::endian::native == std::endian::little, "fixed numbers are little-endian");

constexpr std::uint32_t kVarint = 0;
constexpr std::uint32_t kFixed64 = 1;
constexpr std::uint32_t kBytes = 2;
constexpr std::uint32_t kFixed32 = 5;

}  // namespace

void ProtoWriter::varint(std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) bytes_ += static_cast<char>((value & 0x7f) | 0x80);
  bytes_ += static_cast<char>(value);
}

void ProtoWriter::key(std::uint32_t field, std::uint32_t wire_type) {
  varint(std::uint64_t{field} << 3 | wire_type);
}

ProtoWriter& ProtoWriter::integer(std::uint32_t field, std::int64_t value) {
  key(field, kVarint);
  varint(static_cast<std::uint64_t>(value));
  return *this;
}

ProtoWriter& ProtoWriter::number(std::uint32_t field, float value) {
  key(field, kFixed32);
  bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
  return *this;
}

ProtoWriter& ProtoWriter::number(std::uint32_t field, double value) {
  key(field, kFixed64);
  bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
  return *this;
}

ProtoWriter& ProtoWriter::text(std::uint32_t field, std::string_view value) {
  begin_bytes(field, value.size());
  bytes_ += value;
  return *this;
}

ProtoWriter& ProtoWriter::integers(std::uint32_t field, std::span<const std::int64_t> values) {
  ProtoWriter packed;
  for (const std::int64_t value : values) packed.varint(static_cast<std::uint64_t>(value));
  return message(field, packed);
}

ProtoWriter& ProtoWriter::begin_bytes(std::uint32_t field, std::uint64_t size) {
  key(field, kBytes);
  varint(size);
  return *this;
}

ProtoWriter& ProtoWriter::append(const ProtoWriter& other) {
  bytes_ += other.bytes_;
  return *this;
}

ProtoWriter& ProtoWriter::raw(std::span<const std::byte> bytes) {
  bytes_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return *this;
}

float ProtoField::as_float() const {
  return std::bit_cast<float>(static_cast<std::uint32_t>(value));
}
double ProtoField::as_double() const { return std::bit_cast<double>(value); }

void ProtoReader::fail(const char* what) const {
  throw ValueError(format("protocol buffer: ", what, " at byte ", at_));
}

std::uint64_t ProtoReader::varint() {
  constexpr int kMostBytes = 10;
  std::uint64_t value = 0;
  for (int i = 0; i < kMostBytes; ++i) {
    if (at_ == bytes_.size()) fail("a number that ends too early");
    const auto byte = static_cast<unsigned char>(bytes_[at_++]);
    value |= std::uint64_t{byte & 0x7fU} << (7 * i);
    if (byte < 0x80) return value;
  }
  fail("a number of more than ten bytes");
}

std::uint64_t ProtoReader::fixed(std::size_t size) {
  if (bytes_.size() - at_ < size) fail("a number that ends too early");
  std::uint64_t value = 0;
  std::memcpy(&value, bytes_.data() + at_, size);
  at_ += size;
  return value;
}

std::optional<std::uint64_t> ProtoReader::next_varint() {
  if (at_ == bytes_.size()) return std::nullopt;
  return varint();
}

std::optional<ProtoField> ProtoReader::next() {
  if (at_ == bytes_.size()) return std::nullopt;
  const std::uint64_t key = varint();
  constexpr std::uint64_t kMostFields = 1U << 29;
  if (key >> 3 == 0 || key >> 3 >= kMostFields) fail("a field number that there is not");
  ProtoField field{.number = static_cast<std::uint32_t>(key >> 3)};
  switch (static_cast<std::uint32_t>(key & 7)) {
    case kVarint:
      field.value = varint();
      return field;
    case kFixed64:
      field.kind = ProtoField::Kind::fixed64;
      field.value = fixed(8);
      return field;
    case kFixed32:
      field.kind = ProtoField::Kind::fixed32;
      field.value = fixed(4);
      return field;
    case kBytes: {
      const std::uint64_t size = varint();
      if (size > bytes_.size() - at_) fail("a field that ends too early");
      field.kind = ProtoField::Kind::bytes;
      field.bytes = bytes_.substr(at_, static_cast<std::size_t>(size));
      at_ += static_cast<std::size_t>(size);
      return field;
    }
    default:
      fail("a kind of field that is not read");
  }
}

}  // namespace stoker::io

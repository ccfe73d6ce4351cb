// The wire format of protocol buffers: fields with numbers, written by hand and read with
// suspicion. Source: protobuf.dev, "Encoding". Why by hand: docs/adr/0021-protobuf-by-hand.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace stoker::io {

// Writes the fields of one message, in the order of the calls.
class ProtoWriter {
 public:
  // An int32, int64, uint32, uint64, bool or enum. Negative numbers take ten bytes, as there.
  ProtoWriter& integer(std::uint32_t field, std::int64_t value);
  ProtoWriter& number(std::uint32_t field, float value);
  ProtoWriter& number(std::uint32_t field, double value);
  ProtoWriter& text(std::uint32_t field, std::string_view value);
  ProtoWriter& message(std::uint32_t field, const ProtoWriter& value) {
    return text(field, value.bytes());
  }
  // Repeated numbers in one field.
  ProtoWriter& integers(std::uint32_t field, std::span<const std::int64_t> values);
  // Begins a field of this many bytes, which the caller writes after those of this writer.
  ProtoWriter& begin_bytes(std::uint32_t field, std::uint64_t size);
  // Appends fields that another writer has written, and bytes of a field that has begun.
  ProtoWriter& append(const ProtoWriter& other);
  ProtoWriter& raw(std::span<const std::byte> bytes);

  const std::string& bytes() const { return bytes_; }

 private:
  void varint(std::uint64_t value);
  void key(std::uint32_t field, std::uint32_t wire_type);

  std::string bytes_;
};

// A field of a message.
struct ProtoField {
  enum class Kind : std::uint8_t { varint, fixed64, bytes, fixed32 };

  std::uint32_t number = 0;
  Kind kind = Kind::varint;
  std::uint64_t value = 0;   // of a varint, or the bits of a fixed number
  std::string_view bytes{};  // of a text, a message or packed numbers; a part of what is read

  std::int64_t integer() const { return static_cast<std::int64_t>(value); }
  float as_float() const;
  double as_double() const;
};

// Goes through the fields of one message. Throws ValueError, with the offset, for bytes that are no
// message: varints of more than ten bytes, lengths beyond the end, field number 0, and groups,
// which are of protocol buffers 1.
class ProtoReader {
 public:
  explicit ProtoReader(std::string_view bytes) : bytes_(bytes) {}

  // Empty at the end.
  std::optional<ProtoField> next();
  // Reads the next number of a field of packed numbers. Empty at the end.
  std::optional<std::uint64_t> next_varint();

 private:
  std::uint64_t varint();
  std::uint64_t fixed(std::size_t size);
  [[noreturn]] void fail(const char* what) const;

  std::string_view bytes_;
  std::size_t at_ = 0;
};

}  // namespace stoker::io

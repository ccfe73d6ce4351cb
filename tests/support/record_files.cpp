#include "support/record_files.h"

#include <zlib.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "io/crc32c.h"

namespace stoker::test {
namespace {

using io::ProtoWriter;

template <class T>
std::string raw(T value) {
  std::string bytes(sizeof(T), '\0');
  std::memcpy(bytes.data(), &value, sizeof(T));
  return bytes;
}
std::uint32_t crc(std::string_view bytes) {
  return io::masked_crc32c(std::as_bytes(std::span(bytes.data(), bytes.size())));
}

}  // namespace

std::string tf_record(std::string_view data) {
  std::string bytes = raw(std::uint64_t{data.size()});
  bytes += raw(crc(bytes));
  bytes += data;
  return bytes + raw(crc(data));
}

std::string float_list(const std::vector<float>& values) {
  std::string packed;
  for (const float value : values) packed += raw(value);
  return ProtoWriter().message(2, ProtoWriter().text(1, packed)).bytes();
}
std::string int64_list(const std::vector<std::int64_t>& values) {
  return ProtoWriter().message(3, ProtoWriter().integers(1, values)).bytes();
}
std::string bytes_list(std::string_view value) {
  return ProtoWriter().message(1, ProtoWriter().text(1, value)).bytes();
}
std::string example(const std::vector<std::pair<std::string, std::string>>& features) {
  ProtoWriter all;
  for (const auto& [name, feature] : features) {
    all.message(1, ProtoWriter().text(1, name).text(2, feature));
  }
  return ProtoWriter().message(1, all).bytes();
}

std::string tar_member(const std::string& name, std::string_view data, char type) {
  std::string header(512, '\0');
  header.replace(0, name.size(), name);
  header.replace(100, 8, std::string("0000644\0", 8));
  char size[13];
  std::snprintf(size, sizeof size, "%011llo", static_cast<unsigned long long>(data.size()));
  header.replace(124, 11, size);
  header.replace(148, 8, 8, ' ');
  header[156] = type;
  header.replace(257, 8, std::string("ustar\00000", 8));
  unsigned sum = 0;
  for (const char c : header) sum += static_cast<unsigned char>(c);
  char text[8];
  std::snprintf(text, sizeof text, "%06o", sum);
  header.replace(148, 7, std::string(text, 7));
  std::string bytes = header;
  bytes += data;
  return bytes.append((512 - data.size() % 512) % 512, '\0');
}
std::string tar_end() { return std::string(1024, '\0'); }

std::string gzipped(std::string_view text) {
  std::string result(compressBound(text.size()) + 100, '\0');
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(result.data());
  stream.avail_out = static_cast<uInt>(result.size());
  deflate(&stream, Z_FINISH);
  result.resize(stream.total_out);
  deflateEnd(&stream);
  return result;
}

}  // namespace stoker::test

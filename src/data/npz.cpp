// Reads archives of arrays: .npz.
#include <zlib.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/foreign.h"
#include "core/input_file.h"
#include "data/limits.h"
#include "data/npy_format.h"

namespace stoker {
namespace {

using npy::Bytes;
using npy::fail;
using npy::number_at;

// ---- Zip ----
std::vector<std::byte> inflate_raw(Bytes packed, std::uint64_t size, const std::string& name) {
  std::vector<std::byte> result(size);
  z_stream stream{};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) fail(name, "zlib could not be started");
  const std::unique_ptr<z_stream, int (*)(z_stream*)> owner(&stream, inflateEnd);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  stream.next_out = reinterpret_cast<Bytef*>(result.data());
  stream.avail_out = static_cast<uInt>(size);
  if (inflate(&stream, Z_FINISH) != Z_STREAM_END || stream.avail_out != 0) {
    fail(name, "damaged: its deflated bytes do not give what the archive says");
  }
  return result;
}

constexpr std::uint32_t kEndOfDirectory = 0x06054b50;
constexpr std::uint32_t kDirectoryEntry = 0x02014b50;
constexpr std::uint32_t kLocalHeader = 0x04034b50;
// This value marks a number that does not fit here and stands in another record.
constexpr std::uint32_t kMore = 0xffffffffU;
constexpr std::uint16_t kIsEncrypted = 1;

std::size_t find_end(Bytes bytes, const std::string& path) {
  constexpr std::size_t kEndBytes = 22;
  constexpr std::size_t kMostComment = 65535;
  if (bytes.size() >= kEndBytes) {
    const std::size_t last = bytes.size() - kEndBytes;
    for (std::size_t at = last + 1; at-- > (last > kMostComment ? last - kMostComment : 0);) {
      if (number_at<std::uint32_t>(bytes, at, path) == kEndOfDirectory) return at;
    }
  }
  fail(path, "expected a .npz, which is a zip archive; found no end of one");
}

std::map<std::string, Tensor> unpack(Bytes bytes, const NpyOptions& options,
                                     const std::string& path) {
  const std::size_t end = find_end(bytes, path);
  const std::size_t count = number_at<std::uint16_t>(bytes, end + 10, path);
  std::size_t at = number_at<std::uint32_t>(bytes, end + 16, path);
  if (count == 0xffffU || at == kMore) {
    fail(path, "65535 entries, or 4 GiB, or more (zip64), which is not read");
  }
  const data::MemoryLimit limit(path, options.limits, bytes.size());
  std::map<std::string, Tensor> arrays;
  std::uint64_t all_packed = 0;
  std::uint64_t all_unpacked = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (number_at<std::uint32_t>(bytes, at, path) != kDirectoryEntry) {
      fail(path, format("a damaged archive: no directory entry at offset ", at));
    }
    const auto flags = number_at<std::uint16_t>(bytes, at + 8, path);
    const auto method = number_at<std::uint16_t>(bytes, at + 10, path);
    const auto crc = number_at<std::uint32_t>(bytes, at + 16, path);
    const auto packed_size = number_at<std::uint32_t>(bytes, at + 20, path);
    const auto size = number_at<std::uint32_t>(bytes, at + 24, path);
    const auto name_size = number_at<std::uint16_t>(bytes, at + 28, path);
    const std::size_t extra_size = number_at<std::uint16_t>(bytes, at + 30, path);
    const std::size_t comment_size = number_at<std::uint16_t>(bytes, at + 32, path);
    const std::size_t local = number_at<std::uint32_t>(bytes, at + 42, path);
    if (name_size > bytes.size() - at - 46) fail(path, "a damaged archive: a name beyond its end");
    const std::string name(reinterpret_cast<const char*>(bytes.data()) + at + 46, name_size);
    const std::string where = format(path, ", ", name);
    if (packed_size == kMore || size == kMore || local == kMore) {
      fail(where, "4 GiB or more (zip64), which is not read");
    }
    if ((flags & kIsEncrypted) != 0) fail(where, "encrypted, which is not read");
    if (number_at<std::uint32_t>(bytes, local, where) != kLocalHeader) {
      fail(where, format("a damaged archive: no entry at offset ", local));
    }
    const std::size_t data = local + 30 + number_at<std::uint16_t>(bytes, local + 26, where) +
                             number_at<std::uint16_t>(bytes, local + 28, where);
    if (data > bytes.size() || packed_size > bytes.size() - data) fail(where, "truncated");
    // Entries that share their bytes could unpack to any multiple of the file.
    all_packed += packed_size;
    all_unpacked += size;
    if (all_packed > bytes.size()) fail(where, "a damaged archive: entries that overlap");
    limit.check(all_unpacked);
    const Bytes packed = bytes.subspan(data, packed_size);
    // Deflate packs at most about a thousand to one.
    if (method == 8 && size / 1100 > packed_size) fail(where, "a size that it can't have");
    std::vector<std::byte> unpacked;
    Bytes content = packed;
    if (method == 8) {
      unpacked = inflate_raw(packed, size, where);
      content = unpacked;
    } else if (method != 0) {
      fail(where, format("packed by method ", method, "; expected stored or deflated"));
    }
    const auto found =
        crc32(0, reinterpret_cast<const Bytef*>(content.data()), static_cast<uInt>(content.size()));
    if (content.size() != size || found != crc) fail(where, "damaged: a wrong checksum or size");
    const bool is_npy = name.ends_with(".npy");
    arrays.emplace(is_npy ? name.substr(0, name.size() - 4) : name,
                   npy::parse(content, options, where));
    at += 46 + name_size + extra_size + comment_size;
  }
  return arrays;
}

}  // namespace

std::map<std::string, Tensor> read_npz(const std::string& path, NpyOptions options) {
  return with_own_errors(path, [&] {
    std::vector<std::byte> memory;
    return unpack(read_whole_file(path, options.limits.max_bytes, memory), options, path);
  });
}

}  // namespace stoker

#include "data/png_chunks.h"

#include <libdeflate.h>

#include <algorithm>
#include <cstring>

namespace stoker::image {
namespace {

constexpr std::size_t kSignatureBytes = 8;
constexpr std::size_t kAroundData = 12;  // the chunk's length, name and checksum
constexpr std::uint32_t kMostExtent = 0x7fffffff;
// libpng has its own view of chunks that are longer than this (PNG_USER_CHUNK_MALLOC_MAX).
constexpr std::uint64_t kMostChunkBytes = 8'000'000;

constexpr std::uint32_t name(const char (&text)[5]) {
  std::uint32_t number = 0;
  for (int i = 0; i < 4; ++i) number = number << 8 | static_cast<unsigned char>(text[i]);
  return number;
}

std::uint32_t big_endian(const std::uint8_t* bytes) {
  return std::uint32_t{bytes[0]} << 24 | std::uint32_t{bytes[1]} << 16 |
         std::uint32_t{bytes[2]} << 8 | bytes[3];
}

struct Chunk {
  std::uint32_t name = 0;
  std::span<const std::uint8_t> data;

  // The lower case of the first letter, which is bit 5, says that a decoder may pass over it.
  bool is_ancillary() const { return (name & 0x20000000U) != 0; }
  bool has_letters_for_name() const {
    for (int shift = 0; shift < 32; shift += 8) {
      const std::uint32_t letter = (name >> shift) & 0xdfU;  // in upper case
      if (letter < 'A' || letter > 'Z') return false;
    }
    return true;
  }
  // The checksum covers the name, which lies before the data, and the data, which it follows.
  bool is_whole() const {
    return libdeflate_crc32(0, data.data() - 4, data.size() + 4) ==
           big_endian(data.data() + data.size());
  }
};

// Goes from chunk to chunk.
class Walk {
 public:
  explicit Walk(std::span<const std::uint8_t> bytes) : left_(bytes) {}

  // Returns nothing if the file ends before the next chunk does.
  std::optional<Chunk> next() const {
    if (left_.size() < kAroundData) return std::nullopt;
    const std::uint32_t length = big_endian(left_.data());
    if (length > left_.size() - kAroundData) return std::nullopt;
    return Chunk{.name = big_endian(left_.data() + 4), .data = left_.subspan(8, length)};
  }
  // Returns whether the next chunk has this name, even if it is cut off.
  bool next_is(std::uint32_t wanted) const {
    return left_.size() >= 8 && big_endian(left_.data() + 4) == wanted;
  }
  std::size_t left() const { return left_.size(); }
  void pass(const Chunk& chunk) { left_ = left_.subspan(chunk.data.size() + kAroundData); }

 private:
  std::span<const std::uint8_t> left_;
};

bool read_header(const Chunk& chunk, PngChunks& chunks) {
  if (chunk.name != name("IHDR") || chunk.data.size() != 13 || !chunk.is_whole()) return false;
  const std::uint8_t* data = chunk.data.data();
  chunks.width = big_endian(data);
  chunks.height = big_endian(data + 4);
  chunks.depth = data[8];
  chunks.color_type = data[9];
  const bool is_plain = data[10] == 0 && data[11] == 0 && data[12] == 0;  // and not interlaced
  if (!is_plain || chunks.width == 0 || chunks.height == 0) return false;
  if (chunks.width > kMostExtent || chunks.height > kMostExtent) return false;
  switch (chunks.color_type) {
    case 0:
      return chunks.depth == 1 || chunks.depth == 2 || chunks.depth == 4 || chunks.depth == 8 ||
             chunks.depth == 16;
    case kPngColor | kPngPalette:
      return chunks.depth == 1 || chunks.depth == 2 || chunks.depth == 4 || chunks.depth == 8;
    case kPngColor:
    case kPngAlpha:
    case kPngColor | kPngAlpha:
      return chunks.depth == 8 || chunks.depth == 16;
    default:
      return false;
  }
}

bool read_palette(const Chunk& chunk, PngChunks& chunks) {
  const std::size_t bytes = chunk.data.size();
  const bool is_odd = (chunks.color_type & kPngColor) == 0 || bytes == 0 || bytes % 3 != 0 ||
                      bytes > std::size_t{3} * 256 || !chunks.palette.empty() || chunks.has_key ||
                      !chunk.is_whole();
  if (is_odd) return false;
  chunks.palette = chunk.data;
  return true;
}

bool read_transparency(const Chunk& chunk, PngChunks& chunks) {
  if (chunks.has_key || !chunks.alphas.empty() || !chunk.is_whole()) return false;
  const std::size_t bytes = chunk.data.size();
  switch (chunks.color_type) {
    case 0:
      chunks.has_key = true;
      return bytes == 2;
    case kPngColor:
      chunks.has_key = true;
      return bytes == 6;
    case kPngColor | kPngPalette:
      chunks.alphas = chunk.data;
      return bytes > 0 && bytes <= chunks.palette.size() / 3;
    default:
      return false;
  }
}

// Reads the chunks between the first one and those of the pixels.
bool read_description(Walk& walk, PngChunks& chunks) {
  for (;;) {
    const std::optional<Chunk> chunk = walk.next();
    if (!chunk || !chunk->has_letters_for_name()) return false;
    if (chunk->name == name("IDAT")) {
      const bool needs_palette = (chunks.color_type & kPngPalette) != 0;
      return !needs_palette || !chunks.palette.empty();
    }
    if (chunk->data.size() > kMostChunkBytes) return false;
    if (chunk->name == name("PLTE")) {
      if (!read_palette(*chunk, chunks)) return false;
    } else if (chunk->name == name("tRNS")) {
      if (!read_transparency(*chunk, chunks)) return false;
    } else if (!chunk->is_ancillary()) {
      return false;
    }  // The checksum of a chunk that is passed over doesn't matter to libpng either.
    walk.pass(*chunk);
  }
}

// Joins what lies in several chunks, which zlib's format takes no notice of.
bool read_pixels(Walk walk, std::vector<std::uint8_t>& joined, PngChunks& chunks) {
  const std::optional<std::uint64_t> raw = chunks.raw_bytes();
  if (!raw) return false;
  bool is_first = true;
  std::size_t count = 0;  // bytes in `joined`
  for (; walk.next_is(name("IDAT")); is_first = false) {
    const std::optional<Chunk> chunk = walk.next();
    if (!chunk || chunk->data.size() > std::max(kMostChunkBytes, *raw)) return false;
    if (!chunk->is_whole()) return false;
    walk.pass(*chunk);
    if (is_first && !walk.next_is(name("IDAT"))) {
      chunks.compressed = chunk->data;
      return true;
    }
    if (is_first) joined.resize(std::max(joined.size(), chunk->data.size() + walk.left()));
    std::ranges::copy(chunk->data, joined.begin() + static_cast<std::ptrdiff_t>(count));
    count += chunk->data.size();
  }
  chunks.compressed = std::span(joined).first(count);
  return true;
}

}  // namespace

int PngChunks::samples() const {
  if ((color_type & kPngPalette) != 0) return 1;
  return ((color_type & kPngColor) != 0 ? 3 : 1) + ((color_type & kPngAlpha) != 0 ? 1 : 0);
}

std::uint64_t PngChunks::row_bytes() const {
  return (std::uint64_t{width} * static_cast<std::uint64_t>(bits_per_pixel()) + 7) / 8;
}

std::optional<std::uint64_t> PngChunks::raw_bytes() const {
  std::uint64_t bytes = 0;
  if (__builtin_mul_overflow(row_bytes() + 1, std::uint64_t{height}, &bytes)) return std::nullopt;
  return bytes;
}

bool read_png_chunks(std::span<const std::byte> bytes, std::vector<std::uint8_t>& joined,
                     PngChunks& chunks) {
  if (bytes.size() < kSignatureBytes) return false;
  const std::span all(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  Walk walk(all.subspan(kSignatureBytes));
  const std::optional<Chunk> header = walk.next();
  if (!header || !read_header(*header, chunks)) return false;
  walk.pass(*header);
  return read_description(walk, chunks) && read_pixels(walk, joined, chunks);
}

}  // namespace stoker::image

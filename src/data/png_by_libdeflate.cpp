// PNG through libdeflate, which inflates whole buffers and is therefore more than twice as fast as
// zlib.
#include <libdeflate.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <new>

#include "data/png.h"
#include "data/png_chunks.h"
#include "data/png_filters.h"

namespace stoker::image {
namespace {

// What a byte of the stream can become at most: 258 bytes by a length and a distance of a bit each.
constexpr std::uint64_t kMostExpansion = 1032;

// Inflates all rows, whose number of bytes is known. Returns false unless the stream is whole, ends
// with them, and leaves nothing behind.
bool inflate(const PngChunks& chunks, std::size_t raw, PngMemory& memory) {
  const std::span<const std::uint8_t> from = chunks.compressed;
  if (from.empty()) return false;
  // zlib may refuse distances that lie beyond the window that the stream states, which libdeflate
  // doesn't look at; no distance does where all the data fits into the window (RFC 1950, 2.2).
  const int stated = from[0] >> 4;
  if (stated != 7 && raw > std::size_t{256} << stated) return false;
  if (memory.inflater == nullptr) memory.inflater.reset(libdeflate_alloc_decompressor());
  if (memory.inflater == nullptr) throw std::bad_alloc();
  if (memory.raw.size() < raw) memory.raw.resize(raw);
  std::size_t read = 0;
  std::size_t written = 0;
  const libdeflate_result result = libdeflate_zlib_decompress_ex(
      memory.inflater.get(), from.data(), from.size(), memory.raw.data(), raw, &read, &written);
  return result == LIBDEFLATE_SUCCESS && read == from.size() && written == raw;
}

using Color = std::array<std::uint8_t, 4>;

// Returns the colours that the values of a single sample stand for.
void make_table(const PngChunks& chunks, std::array<Color, 256>& table) {
  table.fill({0, 0, 0, 255});  // libpng's colour for values beyond the palette
  if ((chunks.color_type & kPngPalette) != 0) {
    for (std::size_t i = 0; 3 * i < chunks.palette.size(); ++i) {
      std::copy_n(chunks.palette.begin() + static_cast<std::ptrdiff_t>(3 * i), 3, table[i].begin());
    }
    for (std::size_t i = 0; i < chunks.alphas.size(); ++i) table[i][3] = chunks.alphas[i];
    return;
  }
  const int largest = chunks.depth < 8 ? (1 << chunks.depth) - 1 : 255;
  for (int i = 0; i <= largest; ++i) {
    const auto gray = static_cast<std::uint8_t>(i * 255 / largest);
    table[static_cast<std::size_t>(i)] = {gray, gray, gray, 255};
  }
}

// Makes 8 bits of each sample: of 16 the upper ones, and fewer are numbers as they are.
void to_bytes(std::span<const std::uint8_t> row, int depth, std::span<std::uint8_t> samples) {
  if (depth == 16) {
    for (std::size_t i = 0; i < samples.size(); ++i) samples[i] = row[2 * i];
    return;
  }
  const auto in_a_byte = static_cast<std::size_t>(8 / depth);
  const int mask = (1 << depth) - 1;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const int place = depth * static_cast<int>(in_a_byte - 1 - i % in_a_byte);
    samples[i] = static_cast<std::uint8_t>((row[i / in_a_byte] >> place) & mask);
  }
}

template <std::size_t Channels>
void by_table(std::span<const std::uint8_t> samples, const std::array<Color, 256>& table,
              std::uint8_t* to) {
  for (const std::uint8_t sample : samples) {
    std::memcpy(to, table[sample].data(), Channels);
    to += Channels;
  }
}

// Takes samples of gray or of colours, with alpha or without, for pixels of 1 (gray only), 3 or 4
// channels.
template <std::size_t Samples, std::size_t Channels>
void rearrange(std::span<const std::uint8_t> samples, std::uint8_t* to) {
  constexpr bool kColor = Samples >= 3;
  constexpr bool kAlpha = Samples % 2 == 0;
  for (const std::uint8_t* from = samples.data(); from != samples.data() + samples.size();
       from += Samples) {
    to[0] = from[0];
    if constexpr (Channels >= 3) {
      to[1] = from[kColor ? 1 : 0];
      to[2] = from[kColor ? 2 : 0];
    }
    if constexpr (Channels == 4) to[3] = kAlpha ? from[Samples - 1] : std::uint8_t{255};
    to += Channels;
  }
}

// Turns unfiltered rows into pixels.
class Converter {
 public:
  // `samples` has room for those of a row.
  Converter(const PngChunks& chunks, std::size_t channels, std::span<std::uint8_t> samples)
      : depth_(chunks.depth),
        samples_a_pixel_(static_cast<std::size_t>(chunks.samples())),
        channels_(channels),
        samples_(samples) {
    if (samples_a_pixel_ == 1) make_table(chunks, table_);
  }

  void convert(std::span<const std::uint8_t> row, std::uint8_t* to) {
    if (depth_ != 8) to_bytes(row, depth_, samples_);
    const std::span<const std::uint8_t> samples = depth_ == 8 ? row : samples_;
    switch (10 * samples_a_pixel_ + channels_) {
      case 11:
        return by_table<1>(samples, table_, to);
      case 13:
        return by_table<3>(samples, table_, to);
      case 14:
        return by_table<4>(samples, table_, to);
      case 21:
        return rearrange<2, 1>(samples, to);
      case 23:
        return rearrange<2, 3>(samples, to);
      case 24:
        return rearrange<2, 4>(samples, to);
      case 33:
        return rearrange<3, 3>(samples, to);
      case 34:
        return rearrange<3, 4>(samples, to);
      case 43:
        return rearrange<4, 3>(samples, to);
      default:
        return rearrange<4, 4>(samples, to);
    }
  }

 private:
  int depth_;
  std::size_t samples_a_pixel_;
  std::size_t channels_;
  std::span<std::uint8_t> samples_;
  std::array<Color, 256> table_;
};

bool read_rows(const PngChunks& chunks, Target& target) {
  const auto width = static_cast<std::size_t>(chunks.width);
  const auto row_bytes = static_cast<std::size_t>(chunks.row_bytes());
  const std::size_t samples = width * static_cast<std::size_t>(chunks.samples());
  const auto channels = static_cast<std::size_t>(target.size.channels);
  const int step = std::max(1, chunks.bits_per_pixel() / 8);
  const std::size_t pitch = width * channels;
  const bool are_pixels =
      chunks.depth == 8 && samples == pitch && (chunks.color_type & kPngPalette) == 0;
  std::vector<std::uint8_t>& rows = target.png.rows;
  rows.resize(std::max(rows.size(), 2 * row_bytes + samples));
  std::fill_n(rows.begin(), row_bytes, std::uint8_t{0});
  std::uint8_t* above = rows.data();
  std::uint8_t* other = above + row_bytes;
  Converter converter(chunks, channels, std::span(rows).subspan(2 * row_bytes, samples));
  std::uint8_t* to = target.pixels.data();
  for (std::uint32_t y = 0; y < chunks.height; ++y, to += pitch) {
    const std::uint8_t* from = target.png.raw.data() + y * (row_bytes + 1);
    std::uint8_t* row = are_pixels ? to : other;
    if (!undo_png_filter(from[0], step, {from + 1, row_bytes}, above, row)) return false;
    if (!are_pixels) {
      converter.convert({row, row_bytes}, to);
      other = above;
    }
    above = row;
  }
  return true;
}

}  // namespace

void FreeInflater::operator()(libdeflate_decompressor* inflater) const {
  libdeflate_free_decompressor(inflater);
}

bool decode_png_by_libdeflate(std::span<const std::byte> bytes, const Job& job, Target& target) {
  PngChunks chunks;
  if (!read_png_chunks(bytes, target.png.joined, chunks)) return false;
  // One gray or colour that stands for transparent pixels is left to libpng where it matters.
  if (chunks.has_key && job.channels == 4) return false;
  check_size(job, chunks.width, chunks.height);
  // The file's own size bounds the memory that it can have us take.
  const std::uint64_t raw = *chunks.raw_bytes();
  if (raw / kMostExpansion > chunks.compressed.size()) return false;
  if (!inflate(chunks, static_cast<std::size_t>(raw), target.png)) return false;
  const bool has_color = (chunks.color_type & kPngColor) != 0;
  target.size = {chunks.height, chunks.width, job.channels == 1 && has_color ? 3 : job.channels};
  target.pixels.resize(target.size.elements());
  return read_rows(chunks, target);
}

}  // namespace stoker::image

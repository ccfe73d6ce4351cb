#include "support/png_files.h"

#include <png.h>
#include <zlib.h>

#include <algorithm>
#include <array>

#include "data/png.h"
#include "stoker/error.h"

namespace stoker::test {
namespace {

int pick(Random& random, int end) { return static_cast<int>(random.integer(0, end)); }

std::string big_endian(std::uint64_t number) {
  std::string text;
  for (int shift = 24; shift >= 0; shift -= 8) text += static_cast<char>(number >> shift);
  return text;
}

template <class Bytes>
std::uint32_t number_at(const Bytes& bytes, std::size_t at) {
  std::uint32_t number = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    number = number << 8 | static_cast<unsigned char>(bytes[at + i]);
  }
  return number;
}

// A byte is that of the row before, one more than its neighbour, or noise, in stretches.
std::vector<std::uint8_t> bytes_of_rows(std::size_t row, std::size_t rows, Random& random) {
  std::vector<std::uint8_t> bytes(row * rows);
  int kind = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (pick(random, 20) == 0) kind = pick(random, 4);
    if (kind == 0 && i >= row) bytes[i] = bytes[i - row];
    if (kind == 1 && i >= 3) bytes[i] = static_cast<std::uint8_t>(bytes[i - 3] + 1);
    if (kind == 2) bytes[i] = static_cast<std::uint8_t>(random.word());
  }
  return bytes;
}

void set_colors(png_structp out, png_infop info, const PngFormat& format, Random& random) {
  if (format.color_type == PNG_COLOR_TYPE_PALETTE) {
    std::array<png_color, 256> palette;
    for (png_color& color : palette) {
      color = {static_cast<png_byte>(random.word()), static_cast<png_byte>(random.word()),
               static_cast<png_byte>(random.word())};
    }
    const int colors = 1 << format.depth;
    png_set_PLTE(out, info, palette.data(), colors);
    std::array<png_byte, 256> alphas;
    for (png_byte& alpha : alphas) alpha = static_cast<png_byte>(random.word());
    if (format.is_transparent) {
      png_set_tRNS(out, info, alphas.data(), 1 + pick(random, colors), nullptr);
    }
  } else if (format.is_transparent && (format.color_type & PNG_COLOR_MASK_ALPHA) == 0) {
    const auto most = static_cast<png_uint_16>((1 << format.depth) - 1);
    const png_color_16 key{.index = 0,
                           .red = static_cast<png_uint_16>(pick(random, 4) & most),
                           .green = 0,
                           .blue = 0,
                           .gray = static_cast<png_uint_16>(pick(random, 4) & most)};
    png_set_tRNS(out, info, nullptr, 0, &key);
  }
}

struct Decoded {
  bool is_whole = false;
  image::Target target;
  std::string message;  // of an IoError
};

template <class F>
void decode_with(F decoder, std::span<const std::byte> file, int channels, Decoded& decoded) {
  const std::string name = "file";
  const ImageLimits limits{.max_pixels = std::uint64_t{1} << 20};
  try {
    decoded.is_whole = decoder(file, image::Job{channels, name, limits}, decoded.target);
  } catch (const IoError& error) {
    decoded.message = error.what();
  }
}

}  // namespace

PngFormat any_png_format(Random& random) {
  constexpr std::pair<int, int> kKinds[] = {{0, 1}, {0, 2},  {0, 4},  {0, 8}, {0, 16},
                                            {2, 8}, {2, 16}, {3, 1},  {3, 2}, {3, 4},
                                            {3, 8}, {4, 8},  {4, 16}, {6, 8}, {6, 16}};
  constexpr int kFilters[] = {PNG_FILTER_NONE, PNG_FILTER_SUB,   PNG_FILTER_UP,
                              PNG_FILTER_AVG,  PNG_FILTER_PAETH, PNG_ALL_FILTERS};
  const auto& [color_type, depth] = kKinds[pick(random, std::size(kKinds))];
  return {.color_type = color_type,
          .depth = depth,
          .is_interlaced = pick(random, 5) == 0,
          .width = 1 + pick(random, 60),
          .height = 1 + pick(random, 40),
          .filters = kFilters[pick(random, std::size(kFilters))],
          .level = pick(random, 10),
          .strategy = pick(random, 5),  // the last is fixed codes
          .idat_bytes = static_cast<std::size_t>(20 + pick(random, 2000)),
          .is_transparent = pick(random, 3) == 0};
}

std::string png_file(const PngFormat& format, Random& random) {
  std::string file;
  png_structp out = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(out);
  png_set_write_fn(
      out, &file,
      [](png_structp to, png_bytep bytes, std::size_t count) {
        static_cast<std::string*>(png_get_io_ptr(to))
            ->append(reinterpret_cast<const char*>(bytes), count);
      },
      nullptr);
  png_set_IHDR(out, info, static_cast<png_uint_32>(format.width),
               static_cast<png_uint_32>(format.height), format.depth, format.color_type,
               format.is_interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  set_colors(out, info, format, random);
  png_set_filter(out, PNG_FILTER_TYPE_BASE, format.filters);
  png_set_compression_level(out, format.level);
  png_set_compression_strategy(out, format.strategy);
  png_set_compression_buffer_size(out, format.idat_bytes);
  png_write_info(out, info);
  const std::size_t row = png_get_rowbytes(out, info);
  const auto rows = static_cast<std::size_t>(format.height);
  const std::vector<std::uint8_t> bytes = bytes_of_rows(row, rows, random);
  for (int pass = png_set_interlace_handling(out); pass > 0; --pass) {
    for (std::size_t y = 0; y < rows; ++y) png_write_row(out, bytes.data() + y * row);
  }
  png_write_end(out, info);
  png_destroy_write_struct(&out, &info);
  return file;
}

std::string png_of(const std::vector<PngChunk>& chunks) {
  std::string file("\x89PNG\r\n\x1a\n");
  for (const auto& [name, data] : chunks) {
    const std::string sealed = name + data;
    file += big_endian(data.size()) + sealed +
            big_endian(crc32(0, reinterpret_cast<const Bytef*>(sealed.data()),
                             static_cast<uInt>(sealed.size())));
  }
  return file;
}

std::vector<PngChunk> png_chunks_of(const std::string& file) {
  std::vector<PngChunk> chunks;
  for (std::size_t at = 8; at < file.size();) {
    const std::size_t length = number_at(file, at);
    chunks.emplace_back(file.substr(at + 4, 4), file.substr(at + 8, length));
    at += length + 12;
  }
  return chunks;
}

void seal_png(std::span<std::uint8_t> file) {
  for (std::size_t at = 8; file.size() >= at + 12;) {
    const std::size_t length = number_at(file, at);
    if (length > file.size() - at - 12) return;
    const std::string sum =
        big_endian(crc32(0, file.data() + at + 4, static_cast<uInt>(length + 4)));
    std::ranges::copy(sum, file.begin() + static_cast<std::ptrdiff_t>(at + 8 + length));
    at += length + 12;
  }
}

std::string png_header(int width, int height, int depth, int color_type, int interlace) {
  return big_endian(static_cast<std::uint64_t>(width)) +
         big_endian(static_cast<std::uint64_t>(height)) + static_cast<char>(depth) +
         static_cast<char>(color_type) + '\0' + '\0' + static_cast<char>(interlace);
}

std::string deflated(const std::string& bytes, int bits, int level) {
  z_stream stream{};
  deflateInit2(&stream, level, Z_DEFLATED, bits, 8, Z_DEFAULT_STRATEGY);
  std::string packed(deflateBound(&stream, bytes.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

PngComparison compare_png_decoders(std::span<const std::byte> file, int channels) {
  if (!image::is_png(file)) return {};  // which neither of them looks at
  Decoded ours;
  decode_with(image::decode_png_by_libdeflate, file, channels, ours);
  if (!ours.is_whole && ours.message.empty()) return {};
  Decoded theirs;
  const auto by_libpng = [](std::span<const std::byte> bytes, const image::Job& job,
                            image::Target& target) {
    image::decode_png_by_libpng(bytes, job, target);
    return true;
  };
  decode_with(by_libpng, file, channels, theirs);
  PngComparison result{.path = ours.is_whole ? PngPath::by_libdeflate : PngPath::refused,
                       .difference = ""};
  if (ours.message != theirs.message) {
    result.difference = "'" + ours.message + "' and '" + theirs.message + "'";
  } else if (ours.is_whole && !(ours.target.size == theirs.target.size)) {
    result.difference = "sizes";
  } else if (ours.is_whole && ours.target.pixels != theirs.target.pixels) {
    result.difference = "pixels";
  }
  return result;
}

}  // namespace stoker::test

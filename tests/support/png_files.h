// PNG files of every kind, made by libpng or chunk by chunk, and what the two decoders of PNG say
// of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "stoker/random.h"

namespace stoker::test {

struct PngFormat {
  int color_type = 2;
  int depth = 8;
  bool is_interlaced = false;
  int width = 8;
  int height = 8;
  int filters = 0xf8;             // a sum of PNG_FILTER_*; all of them by default
  int level = 6;                  // of compression
  int strategy = 0;               // of zlib's
  std::size_t idat_bytes = 8192;  // in each chunk of pixels
  bool is_transparent = false;    // a palette with alphas, or a gray or colour that is transparent
};

// Returns a file of plain surface, steps and noise.
std::string png_file(const PngFormat& format, Random& random);
// Returns any format, of up to 60 x 40 pixels.
PngFormat any_png_format(Random& random);

// ---- Chunks ----
// Gives the chunks the checksums that their bytes have, which no fuzzer would find.
void seal_png(std::span<std::uint8_t> file);
using PngChunk = std::pair<std::string, std::string>;  // name and data
std::string png_of(const std::vector<PngChunk>& chunks);
// Returns the chunks of a whole file.
std::vector<PngChunk> png_chunks_of(const std::string& file);
std::string png_header(int width, int height, int depth, int color_type, int interlace = 0);
// Compresses as zlib does, with a window of 2^bits bytes.
std::string deflated(const std::string& bytes, int bits = 15, int level = 6);

// ---- Verdicts ----
enum class PngPath : std::uint8_t { by_libdeflate, left_to_libpng, refused };
struct PngComparison {
  PngPath path = PngPath::left_to_libpng;
  std::string difference;  // empty where the two agree
};
// Decodes by libdeflate and by libpng. They agree if what libdeflate's decoder says, where it says
// something, is what libpng's says: the same pixels, or the same message of an IoError.
PngComparison compare_png_decoders(std::span<const std::byte> file, int channels);

}  // namespace stoker::test

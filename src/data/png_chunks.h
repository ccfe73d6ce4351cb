// The chunks of a well-formed PNG: what its pixels look like, and their compressed bytes. Names and
// layouts of chunks are those of W3C's "Portable Network Graphics (PNG) Specification", section 11.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace stoker::image {

// The bits of a colour type.
constexpr int kPngPalette = 1;
constexpr int kPngColor = 2;
constexpr int kPngAlpha = 4;

struct PngChunks {
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  int depth = 0;                             // bits of a sample
  int color_type = 0;                        // a sum of the bits above
  bool has_key = false;                      // one gray or colour stands for transparent pixels
  std::span<const std::uint8_t> palette;     // red, green, blue
  std::span<const std::uint8_t> alphas;      // of the palette's first entries
  std::span<const std::uint8_t> compressed;  // a zlib stream; lies in the file or in `joined`

  // Returns the number of samples in a pixel as it is stored.
  int samples() const;
  int bits_per_pixel() const { return samples() * depth; }
  std::uint64_t row_bytes() const;
  // Returns the size of the rows with their filters' bytes, or nothing if no memory could hold
  // them.
  std::optional<std::uint64_t> raw_bytes() const;
};

// Reads up to the end of the pixels, as libpng does for one who doesn't ask for what follows them.
// Returns false for whatever libpng would warn of or refuse, as far as it could matter to the
// pixels, and for interlaced files. `joined` takes compressed bytes that lie in several chunks; it
// grows to the size of the file at most.
bool read_png_chunks(std::span<const std::byte> bytes, std::vector<std::uint8_t>& joined,
                     PngChunks& chunks);

}  // namespace stoker::image

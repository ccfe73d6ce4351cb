// Types and checks that the decoders of images share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/format.h"
#include "data/limits.h"
#include "stoker/error.h"
#include "stoker/image.h"

struct libdeflate_decompressor;

namespace stoker::image {

struct FreeInflater {
  void operator()(libdeflate_decompressor* inflater) const;
};

// What decoding a PNG works with. The vectors only grow, and may be larger than what they hold.
struct PngMemory {
  std::unique_ptr<libdeflate_decompressor, FreeInflater> inflater;
  std::vector<std::uint8_t> joined;  // compressed bytes
  std::vector<std::uint8_t> raw;     // rows with their filters
  std::vector<std::uint8_t> rows;    // a few rows on their way
};

// The memory that pixels go to, which is asked for once the size is known. One who keeps it for the
// next image saves the allocations.
struct Target {
  std::vector<std::uint8_t> pixels;
  ImageSize size;
  PngMemory png;
};

// The way in which the bytes of an image are to be decoded.
struct Job {
  int channels = 3;
  const std::string& name;  // for messages
  const ImageLimits& limits;
};

[[noreturn]] inline void fail(const std::string& name, const std::string& what) {
  throw IoError(format(name, ": ", what));
}

// Checks the size that the file claims, before memory is taken for it.
inline void check_size(const Job& job, std::uint64_t width, std::uint64_t height) {
  const std::uint64_t most = job.limits.max_pixels;
  if (width == 0 || height == 0) {
    fail(job.name, format("expected an image of 1 pixel or more, received ", width, " x ", height));
  }
  if (height <= most / width) return;
  fail(job.name, format("expected an image of at most ", data::bytes_text(most),
                        " pixels (ImageLimits::max_pixels), received ", width, " x ", height));
}

// A file with more bytes is no image.
constexpr std::uint64_t kMaxFileBytes = std::uint64_t{1} << 30;

// Throws ValueError unless images can have so many.
void check_channels(const std::string& name, std::int64_t channels);
// Decodes a PNG or a JPEG, whichever it is.
void decode(std::span<const std::byte> bytes, const Job& job, Target& target);
// Reads the bytes of an image's file. They are in `memory`, or in what it is replaced by.
std::span<const std::byte> read_bytes(const std::string& path, std::vector<std::byte>& memory);
// Decodes an image into memory of a fixed size, which it is brought to.
void decode_into(std::span<const std::byte> bytes, const std::string& name,
                 std::span<std::uint8_t> to, const ImageSize& size, const ImageLimits& limits);

bool is_png(std::span<const std::byte> bytes);
void decode_png(std::span<const std::byte> bytes, const Job& job, Target& target);
bool is_jpeg(std::span<const std::byte> bytes);
void decode_jpeg(std::span<const std::byte> bytes, const Job& job, Target& target);

}  // namespace stoker::image

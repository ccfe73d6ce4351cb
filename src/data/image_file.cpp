// Reads images from files, and writes them.
#include <png.h>

#include <algorithm>
#include <vector>

#include "core/atomic_file.h"
#include "core/foreign.h"
#include "core/input_file.h"
#include "data/image_codec.h"
#include "data/image_size.h"

namespace stoker {
namespace {

using image::decode;
using image::fail;
using image::kMaxFileBytes;
using image::Target;

}  // namespace

Tensor decode_image(std::span<const std::byte> bytes, int channels, const std::string& name,
                    const ImageLimits& limits) {
  return with_own_errors(name, [&] {
    Target target;
    decode(bytes, {channels, name, limits}, target);
    return Tensor::from<std::uint8_t>({target.size.height, target.size.width, target.size.channels},
                                      target.pixels);
  });
}

Tensor read_image(const std::string& path, int channels, const ImageLimits& limits) {
  return with_own_errors(path, [&] {
    std::vector<std::byte> memory;
    return decode_image(read_whole_file(path, kMaxFileBytes, memory), channels, path, limits);
  });
}

namespace image {

std::span<const std::byte> read_bytes(const std::string& path, std::vector<std::byte>& memory) {
  return with_own_errors(path, [&] { return read_whole_file(path, kMaxFileBytes, memory); });
}

void decode_into(std::span<const std::byte> bytes, const std::string& name,
                 std::span<std::uint8_t> to, const ImageSize& size, const ImageLimits& limits) {
  thread_local Target target;  // the thread keeps the memory for the next image
  with_own_errors(name, [&] {
    const auto channels = static_cast<int>(std::clamp<std::int64_t>(size.channels, 0, 5));
    decode(bytes, {channels, name, limits}, target);
    resize(std::span<const std::uint8_t>(target.pixels), target.size, to, size);
  });
}

}  // namespace image

void read_image_into(const std::string& path, std::span<std::uint8_t> to, const ImageSize& size,
                     const ImageLimits& limits) {
  thread_local std::vector<std::byte> memory;
  image::decode_into(image::read_bytes(path, memory), path, to, size, limits);
}

void write_png(const std::string& path, std::span<const std::uint8_t> pixels,
               const ImageSize& size) {
  data::require(pixels, size, "write_png");
  constexpr std::int64_t kMostExtent = PNG_UINT_31_MAX;
  if ((size.channels != 1 && size.channels != 3) || pixels.empty() || size.height > kMostExtent ||
      size.width > kMostExtent) {
    throw ShapeError(
        format("write_png: expected an image of 1 or 3 channels, of at least 1 and at ",
               "most 2^31 - 1 rows and columns, received ", size.height, " x ", size.width, " x ",
               size.channels));
  }
  with_own_errors(path, [&] {
    png_image image{};
    image.version = PNG_IMAGE_VERSION;
    image.width = static_cast<png_uint_32>(size.width);
    image.height = static_cast<png_uint_32>(size.height);
    image.format = size.channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
    png_alloc_size_t length = PNG_IMAGE_PNG_SIZE_MAX(image);
    std::vector<std::byte> bytes(length);
    if (png_image_write_to_memory(&image, bytes.data(), &length, 0, pixels.data(), 0, nullptr) ==
        0) {
      fail(path, format("could not be encoded (", image.message, ")"));
    }
    write_file(path, std::span<const std::byte>(bytes).first(length));
  });
}

}  // namespace stoker

// The simplified interface of libpng, which returns its errors.
#include "io/png_write.h"

#include <png.h>

#include <limits>

#include "core/format.h"
#include "stoker/error.h"

namespace stoker::io {

std::string encode_png(std::int64_t width, std::int64_t height, int channels,
                       std::span<const std::uint8_t> pixels) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int32_t>::max();
  const auto fail = [&](const char* why) {
    throw IoError(format("PNG of ", width, " x ", height, " x ", channels, ": ", why));
  };
  if (width < 1 || height < 1 || width > kMost || height > kMost) fail("no size of an image");
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(width);
  image.height = static_cast<png_uint_32>(height);
  image.format = channels == 1 ? PNG_FORMAT_GRAY : channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_RGBA;
  std::string bytes;
  png_alloc_size_t size = 0;
  if (png_image_write_get_memory_size(image, size, 0, pixels.data(), 0, nullptr) == 0) {
    fail(image.message);
  }
  bytes.resize(size);
  if (png_image_write_to_memory(&image, bytes.data(), &size, 0, pixels.data(), 0, nullptr) == 0) {
    fail(image.message);
  }
  bytes.resize(size);
  return bytes;
}

}  // namespace stoker::io

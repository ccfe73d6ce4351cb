// PNG: samples as they are stored, as TensorFlow and Pillow take them.
#include <cstring>

#include "data/png.h"

namespace stoker::image {
namespace {

// The weights of red, green and blue are those of ITU-R BT.601, which JPEG uses too.
void make_gray(Target& target) {
  std::vector<std::uint8_t>& pixels = target.pixels;
  const std::size_t count = pixels.size() / 3;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t sum =
        19595U * pixels[3 * i] + 38470U * pixels[3 * i + 1] + 7471U * pixels[3 * i + 2];
    pixels[i] = static_cast<std::uint8_t>((sum + 0x8000U) >> 16);
  }
  pixels.resize(count);
  target.size.channels = 1;
}

}  // namespace

bool is_png(std::span<const std::byte> bytes) {
  constexpr unsigned char kSignature[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
  return bytes.size() >= sizeof kSignature &&
         std::memcmp(bytes.data(), kSignature, sizeof kSignature) == 0;
}

void decode_png(std::span<const std::byte> bytes, const Job& job, Target& target) {
  if (!decode_png_by_libdeflate(bytes, job, target)) decode_png_by_libpng(bytes, job, target);
  if (target.size.channels != job.channels) make_gray(target);
}

}  // namespace stoker::image

#include <vector>

#include "fuzz/input.h"
#include "stoker/image.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace stoker;
  const fuzz::Choice choice(data, size);
  const int channels = choice.bit(0) ? 1 : choice.bit(1) ? 4 : 3;
  const ImageLimits limits{.max_pixels = std::uint64_t{1} << 14, .max_scans = 12};
  fuzz::only_own_errors(
      [&] { decode_image(std::as_bytes(choice.bytes), channels, "image", limits); });
  if (!choice.bit(2)) return 0;
  std::vector<std::uint8_t> pixels(static_cast<std::size_t>(5 * 7 * channels));
  const std::string& path = fuzz::input().holding(choice.bytes);
  fuzz::only_own_errors([&] { read_image_into(path, pixels, {5, 7, channels}, limits); });
  return 0;
}

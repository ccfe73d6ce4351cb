#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "fuzz/input.h"
#include "stoker/image.h"
#include "support/png_files.h"

namespace {

using namespace stoker;

// The two decoders of PNG agree.
void compare(std::span<const std::byte> file, int channels) {
  const test::PngComparison comparison = test::compare_png_decoders(file, channels);
  if (comparison.difference.empty()) return;
  std::fprintf(stderr, "the decoders of PNG differ: %s\n", comparison.difference.c_str());
  std::abort();
}

// Takes the bytes for a format and rows of pixels with their filters, and returns the file.
std::string packed_rows(std::span<const std::uint8_t> bytes) {
  constexpr int kKinds[][2] = {{0, 1}, {0, 2}, {0, 4}, {0, 8}, {0, 16}, {2, 8}, {2, 16}, {3, 1},
                               {3, 2}, {3, 4}, {3, 8}, {4, 8}, {4, 16}, {6, 8}, {6, 16}};
  if (bytes.size() < 10) return "";
  const auto& [color_type, depth] = kKinds[bytes[0] % std::size(kKinds)];
  const int samples = color_type == 2 ? 3 : color_type == 4 ? 2 : color_type == 6 ? 4 : 1;
  const int width = 1 + bytes[1] % 70;
  const auto row = static_cast<std::size_t>((width * depth * samples + 7) / 8 + 1);
  std::string rows(bytes.begin() + 8, bytes.end());
  const std::size_t height = (rows.size() + row - 1) / row;
  rows.resize(height * row);
  std::vector<test::PngChunk> chunks = {
      {"IHDR", test::png_header(width, static_cast<int>(height), depth, color_type)}};
  if (color_type == 3)
    chunks.emplace_back("PLTE", std::string(bytes.begin() + 2, bytes.begin() + 8));
  if (color_type == 3) chunks.emplace_back("tRNS", std::string(1, static_cast<char>(bytes[2])));
  chunks.emplace_back("IDAT", test::deflated(rows, 15, 1));
  return test::png_of(chunks);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::Choice choice(data, size);
  const int channels = choice.bit(0) ? 1 : choice.bit(1) ? 4 : 3;
  const ImageLimits limits{.max_pixels = std::uint64_t{1} << 14, .max_scans = 12};
  std::vector<std::uint8_t> bytes(choice.bytes.begin(), choice.bytes.end());
  if (choice.bit(4)) {
    const std::string file = packed_rows(bytes);
    bytes.assign(file.begin(), file.end());
  }
  if (choice.bit(3)) test::seal_png(bytes);
  fuzz::only_own_errors(
      [&] { decode_image(std::as_bytes(std::span(bytes)), channels, "image", limits); });
  compare(std::as_bytes(std::span(bytes)), channels);
  if (!choice.bit(2)) return 0;
  std::vector<std::uint8_t> pixels(static_cast<std::size_t>(5 * 7 * channels));
  const std::string& path = fuzz::input().holding(bytes);
  fuzz::only_own_errors([&] { read_image_into(path, pixels, {5, 7, channels}, limits); });
  return 0;
}

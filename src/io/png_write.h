// Images as PNG.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace stoker::io {

// Returns a PNG of the pixels, row by row: gray, RGB or RGBA for 1, 3 or 4 channels. The sizes are
// 1 or more. Throws IoError where libpng fails.
std::string encode_png(std::int64_t width, std::int64_t height, int channels,
                       std::span<const std::uint8_t> pixels);

}  // namespace stoker::io

// An extent along depth, height and width.
#pragma once

#include <cstdint>

namespace stoker {

// One number for all directions, or depth, height and width.
struct Size3D {
  std::int64_t depth = 1;
  std::int64_t height = 1;
  std::int64_t width = 1;
  Size3D(int all) : depth(all), height(all), width(all) {}
  Size3D(std::int64_t all) : depth(all), height(all), width(all) {}
  Size3D(std::int64_t depth, std::int64_t height, std::int64_t width)
      : depth(depth), height(height), width(width) {}
  friend bool operator==(const Size3D&, const Size3D&) = default;
};

}  // namespace stoker

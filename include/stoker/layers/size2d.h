// An extent along height and width.
#pragma once

#include <cstdint>

namespace stoker {

// One number for both directions, or height and width.
struct Size2D {
  std::int64_t height = 1;
  std::int64_t width = 1;
  Size2D(int both) : height(both), width(both) {}
  Size2D(std::int64_t both) : height(both), width(both) {}
  Size2D(std::int64_t height, std::int64_t width) : height(height), width(width) {}
  friend bool operator==(const Size2D&, const Size2D&) = default;
};

}  // namespace stoker

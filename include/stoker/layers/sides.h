// How much is added or taken away on each side of an axis.
#pragma once

#include <cstdint>

namespace stoker {

// One number for both sides of an axis, or the one before the first element and the one after the
// last.
struct Sides {
  std::int64_t before = 0;
  std::int64_t after = 0;
  Sides(int both) : before(both), after(both) {}
  Sides(std::int64_t both) : before(both), after(both) {}
  Sides(std::int64_t before, std::int64_t after) : before(before), after(after) {}
  friend bool operator==(const Sides&, const Sides&) = default;
};

// One number for all sides of an image, or those of height and width: 1, {1, 2}, or {{1, 0}, {2,
// 1}}.
struct Sides2D {
  Sides height;
  Sides width;
  Sides2D(int all) : height(all), width(all) {}
  Sides2D(std::int64_t all) : height(all), width(all) {}
  Sides2D(Sides height, Sides width) : height(height), width(width) {}
  friend bool operator==(const Sides2D&, const Sides2D&) = default;
};

// The same for a volume.
struct Sides3D {
  Sides depth;
  Sides height;
  Sides width;
  Sides3D(int all) : depth(all), height(all), width(all) {}
  Sides3D(std::int64_t all) : depth(all), height(all), width(all) {}
  Sides3D(Sides depth, Sides height, Sides width) : depth(depth), height(height), width(width) {}
  friend bool operator==(const Sides3D&, const Sides3D&) = default;
};

}  // namespace stoker

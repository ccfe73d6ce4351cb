// The transform that puts an image into perspective.
#pragma once

#include <array>

#include "graph/expression.h"

namespace stoker::layers {

// The numbers by which the coordinates of three corners are multiplied, all positive: x of the
// upper right one, y of the lower left one, x and y of the lower right one. The upper left corner
// is the origin and stays.
struct MovedCorners {
  graph::Expr right, below, opposite_x, opposite_y;
};

// The eight numbers (core/warp_tap.h) by which an image of that height and width is looked at, so
// that its corners come to those places.
std::array<graph::Expr, 8> perspective(const MovedCorners& corners, float height, float width);

}  // namespace stoker::layers

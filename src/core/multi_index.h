// Converts the flat number of an element to its place in a shape.
#pragma once

#include <cstddef>
#include <cstdint>

#include "stoker/shape.h"

namespace stoker {

// The index of element `flat` along each axis: (3, 1) for element 7 of (4, 2).
inline Shape multi_index(const Shape& shape, std::int64_t flat) {
  Shape index = shape;
  for (std::size_t axis = shape.rank(); axis-- > 0; flat /= shape[axis]) {
    index[axis] = flat % shape[axis];
  }
  return index;
}

}  // namespace stoker

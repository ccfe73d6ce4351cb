#include "layers/reshaping/repeat.h"

#include "ops/ops.h"

namespace stoker::layers {
namespace {

using graph::Value;

// Joins `count` copies along an axis, by doubling.
Value copies(Value x, std::int64_t count, std::int64_t axis) {
  Value joined;
  for (std::int64_t left = count;; left /= 2) {
    if (left % 2 == 1) joined = joined ? ops::concatenate({joined, x}, axis) : x;
    if (left == 1) return joined;
    x = ops::concatenate({x, x}, axis);
  }
}

// Pointwise arithmetic is float32, which does not hold every whole number, so other values are
// copied.
Value repeat_whole_numbers(Value x, const std::vector<std::int64_t>& counts) {
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const std::size_t axis = i + 1;
    Shape single, repeated = x.shape();
    for (std::size_t k = 0; k < x.shape().rank(); ++k) {
      single.push_back(x.shape()[k]);
      if (k == axis) single.push_back(1);
    }
    repeated[axis] *= counts[i];
    const auto between = static_cast<std::int64_t>(axis) + 1;
    x = ops::reshape(copies(ops::reshape(x, single), counts[i], between), repeated);
  }
  return x;
}

}  // namespace

// Behind each axis stands one more, along which the element is broadcast.
Value repeat(Value x, const std::vector<std::int64_t>& counts) {
  if (!is_floating(x.dtype())) return repeat_whole_numbers(x, counts);
  Shape single, broadcast, repeated = x.shape();
  for (std::size_t axis = 0; axis < x.shape().rank(); ++axis) {
    single.push_back(x.shape()[axis]);
    broadcast.push_back(x.shape()[axis]);
    if (axis == 0 || axis > counts.size() || counts[axis - 1] == 1) continue;
    single.push_back(1);
    broadcast.push_back(counts[axis - 1]);
    repeated[axis] *= counts[axis - 1];
  }
  return ops::reshape(ops::broadcast_to(ops::reshape(x, single), broadcast), repeated);
}

}  // namespace stoker::layers

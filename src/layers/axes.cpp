#include "layers/axes.h"

#include <algorithm>

#include "ops/common.h"

namespace stoker::layers {

std::vector<std::int64_t> axes_after_batch(const Axes& axes, graph::Value x) {
  const auto rank = static_cast<std::int64_t>(x.shape().rank());
  std::vector<std::int64_t> result;
  for (const std::int64_t axis : axes.numbers()) {
    const std::int64_t from_front = axis < 0 ? axis + rank : axis;
    ops::require(from_front >= 1 && from_front < rank, *x.graph, "axis ", axis,
                 " is none of input ", x.shape(), " after the batch");
    result.push_back(from_front);
  }
  std::sort(result.begin(), result.end());
  const auto twice = std::adjacent_find(result.begin(), result.end());
  ops::require(twice == result.end(), *x.graph, "axis ", twice == result.end() ? 0 : *twice,
               " of input ", x.shape(), " is named twice");
  ops::require(!result.empty(), *x.graph, "expected one axis or more, received none");
  return result;
}

}  // namespace stoker::layers

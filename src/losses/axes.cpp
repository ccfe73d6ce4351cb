#include "losses/axes.h"

#include <algorithm>
#include <numeric>

#include "ops/common.h"

namespace stoker::losses {

std::int64_t axis_in(graph::Value value, std::int64_t axis) {
  const auto rank = static_cast<std::int64_t>(value.shape().rank());
  ops::require(axis >= -rank && axis < rank, *value.graph, "expected predictions with an axis ",
               axis, ", received ", value.shape());
  return axis < 0 ? axis + rank : axis;
}

std::vector<std::int64_t> axes_in(graph::Value value,
                                  const std::optional<std::vector<std::int64_t>>& axes) {
  std::vector<std::int64_t> result(value.shape().rank());
  std::iota(result.begin(), result.end(), 0);
  if (!axes) return result;
  result.clear();
  for (const std::int64_t axis : *axes) result.push_back(axis_in(value, axis));
  std::ranges::sort(result);
  ops::require(std::ranges::adjacent_find(result) == result.end(), *value.graph,
               "expected each axis once");
  return result;
}

float share_of(graph::Value value, std::int64_t axis) {
  const std::int64_t extent = value.shape()[static_cast<std::size_t>(axis)];
  ops::require(extent > 0, *value.graph,
               "expected a known extent of the axis that the mean is taken over, received ",
               value.shape());
  return static_cast<float>(1.0 / static_cast<double>(extent));
}

}  // namespace stoker::losses

// Axes of a loss, counted from the end where they are negative.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "graph/graph.h"

namespace stoker::losses {

// Returns the axis, counted from the beginning. Throws ShapeError where `value` has no such axis.
std::int64_t axis_in(graph::Value value, std::int64_t axis);
// Returns the axes in their order; all of them for an empty list. Throws ShapeError for an axis
// that stands twice, too.
std::vector<std::int64_t> axes_in(graph::Value value,
                                  const std::optional<std::vector<std::int64_t>>& axes);
// Returns 1 / n, for a mean over an axis of n elements. Throws ShapeError where n is not known.
float share_of(graph::Value value, std::int64_t axis);

}  // namespace stoker::losses

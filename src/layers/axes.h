// Axes of a layer's input.
#pragma once

#include <cstdint>
#include <vector>

#include "graph/graph.h"
#include "stoker/axes.h"

namespace stoker::layers {

// Returns the axes counted from the front, sorted. Throws ShapeError unless there is one or more,
// and each is an axis of x after the batch and stands there once.
std::vector<std::int64_t> axes_after_batch(const Axes& axes, graph::Value x);

}  // namespace stoker::layers

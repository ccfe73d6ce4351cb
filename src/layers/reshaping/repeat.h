// Repeating elements along axes.
#pragma once

#include <cstdint>
#include <vector>

#include "graph/graph.h"

namespace stoker::layers {

// Repeats each element along axis i + 1 counts[i] times, in x's type.
graph::Value repeat(graph::Value x, const std::vector<std::int64_t>& counts);

}  // namespace stoker::layers

// Arithmetic that the normalisations of single samples share.
#pragma once

#include <cstdint>
#include <vector>

#include "graph/graph.h"

namespace stoker::layers {

// gamma (x - mean) / sqrt(variance + epsilon) + beta, with the mean and the biased variance over
// the axes. gamma and beta broadcast to x, and may be missing. The result is float32 unless all
// operands have one 16-bit type.
graph::Value standardize(graph::Value x, const std::vector<std::int64_t>& axes, double epsilon,
                         graph::Value gamma, graph::Value beta);

// x / max(|x|, epsilon), with the L2 norm over the axes, in x's type.
graph::Value unit_vectors(graph::Value x, const std::vector<std::int64_t>& axes, double epsilon);

}  // namespace stoker::layers

// Histograms of images, and tables in which values are looked up.
#pragma once

#include <cstdint>

#include "ops/ops.h"

namespace stoker::layers {

// The number of a bin, in [0, last]: x without its fraction. It is 0 for NaN.
graph::Expr bin(graph::Expr x, float last);

// Whole numbers in [0, bins), float32 (.., n) -> how many of the n are equal to each, or not above
// it: float32 (.., bins). It compares all with all, which needs no memory of that size.
graph::Value histogram(graph::Value numbers, std::int64_t bins);
graph::Value cumulated_histogram(graph::Value numbers, std::int64_t bins);
// The sums of the first 1, 2, 3, .. elements along the last axis.
graph::Value running_totals(graph::Value x);

// Rows of tables by their numbers: float32 tables (batch, rows, columns) and numbers (batch, n) ->
// (batch, n, columns). The numbers lie in [0, rows). A table is read where the size of the batch is
// known, and compared with all numbers where it is not.
graph::Value picked(graph::Value tables, graph::Value numbers);

// The numbers 0, step, 2 step, .. along one of `rank` axes; the others have one element.
graph::Value counting(graph::Graph& graph, std::size_t rank, std::size_t axis, std::int64_t count,
                      double step = 1.0);

// The whole number nearest to x; the even one where x is between two.
graph::Expr nearest(graph::Expr x);

}  // namespace stoker::layers

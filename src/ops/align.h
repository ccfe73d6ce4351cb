// These functions bring labels, predictions and weights to matching shapes by Keras's rules. Losses
// and metrics share them.
#pragma once

#include "ops/ops.h"

namespace stoker::ops {

// Changes a shape where the ranks differ by one and the longer shape ends in 1. If the shorter one
// has rank 1 it gains that axis, otherwise the longer one loses it (Keras's
// squeeze_or_expand_to_same_rank).
void to_same_rank(Value& a, Value& b);

// Calls to_same_rank, and throws ShapeError unless the shapes are then equal. Keras would broadcast
// unequal ones, which compares every label with every prediction. Both values become float32.
void match_predictions(Value& labels, Value& predictions);

// Returns class numbers of shape predictions[:-1], without a last axis of 1. They are int32 as they
// come, and float32 for labels of another type. Throws ShapeError when the shapes do not fit.
Value class_numbers(Value labels, Value predictions);

// x of shape (..., K) as rows (N, K), and the shape without its last axis.
Value as_rows(Value x);
Shape without_last(const Shape& shape);

}  // namespace stoker::ops

// Brings labels, predictions and weights to shapes that go together, by Keras's rules. Shared by
// losses and metrics.
#pragma once

#include "ops/ops.h"

namespace stoker::ops {

// Changes shapes where their ranks differ by one and the longer one ends in 1: a rank of 1 gains
// that axis, a higher one loses it on the other side (Keras's squeeze_or_expand_to_same_rank).
void to_same_rank(Value& a, Value& b);

// to_same_rank, and ShapeError unless the shapes are then equal: Keras would broadcast them, which
// compares every label with every prediction. Both become float32.
void match_predictions(Value& labels, Value& predictions);

// Class numbers of shape predictions[:-1]; a last axis of 1 is dropped. int32, or float32 for
// labels of another type. ShapeError when they do not fit.
Value class_numbers(Value labels, Value predictions);

// x of shape (..., K) as rows (N, K), and the shape without its last axis.
Value as_rows(Value x);
Shape without_last(const Shape& shape);

}  // namespace stoker::ops

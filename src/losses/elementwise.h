// Losses that compare label and prediction element by element and take the mean of the last axis.
#pragma once

#include <functional>

#include "losses/loss.h"

namespace stoker::losses {

// Computes a float32 value for each pair of elements, and the mean over the last axis: labels and
// predictions of shape (..., K) give a loss of shape (...).
graph::Value mean_of_last_axis(
    graph::Value y_true, graph::Value y_pred,
    const std::function<graph::Expr(graph::Expr label, graph::Expr prediction)>& loss);

// The same along another axis, counted from the end where it is negative. Throws ShapeError where
// there is none.
graph::Value mean_of_axis(
    graph::Value y_true, graph::Value y_pred,
    const std::function<graph::Expr(graph::Expr label, graph::Expr prediction)>& loss,
    std::int64_t axis);

}  // namespace stoker::losses

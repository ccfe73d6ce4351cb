// Losses that compare label and prediction element by element and take the mean of the last axis.
#pragma once

#include <functional>

#include "losses/loss.h"

namespace stoker::losses {

// Labels and predictions of one shape (..., K), float32 -> (...).
graph::Value mean_of_last_axis(
    graph::Value y_true, graph::Value y_pred,
    const std::function<graph::Expr(graph::Expr label, graph::Expr prediction)>& loss);

}  // namespace stoker::losses

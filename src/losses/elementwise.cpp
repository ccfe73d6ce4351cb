#include "losses/elementwise.h"

#include "ops/common.h"

namespace stoker::losses {

graph::Value mean_of_last_axis(graph::Value y_true, graph::Value y_pred,
                               const std::function<graph::Expr(graph::Expr, graph::Expr)>& loss) {
  ops::require(y_pred.shape().rank() >= 1, *y_pred.graph,
               "expected predictions with a batch axis, received ()");
  const auto scale = static_cast<float>(1.0 / static_cast<double>(y_pred.shape().back()));
  return ops::reduce(ops::ReduceKind::sum, y_true, y_pred, loss, {-1}, false, scale);
}

}  // namespace stoker::losses

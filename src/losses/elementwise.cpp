#include "losses/elementwise.h"

#include "losses/axes.h"

namespace stoker::losses {

graph::Value mean_of_last_axis(graph::Value y_true, graph::Value y_pred,
                               const std::function<graph::Expr(graph::Expr, graph::Expr)>& loss) {
  return mean_of_axis(y_true, y_pred, loss, -1);
}

graph::Value mean_of_axis(graph::Value y_true, graph::Value y_pred,
                          const std::function<graph::Expr(graph::Expr, graph::Expr)>& loss,
                          std::int64_t axis) {
  const std::int64_t along = axis_in(y_pred, axis);
  return ops::reduce(ops::ReduceKind::sum, y_true, y_pred, loss, {along}, false,
                     share_of(y_pred, along));
}

}  // namespace stoker::losses

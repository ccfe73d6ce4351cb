// KLDivergence: the sum of y log(y / p) over the last axis.
#include <utility>

#include "losses/elementwise.h"
#include "losses/plain_loss.h"
#include "ops/align.h"

namespace stoker {
namespace {

using graph::Expr;
using graph::Value;

constexpr float kEpsilon = 1e-7f;

struct KLDivergenceFormula {
  static constexpr const char* kClass = "KLDivergence";
  static constexpr const char* kName = "kl_divergence";
  static Value values(Value y_true, Value y_pred) {
    ops::match_predictions(y_true, y_pred);
    const auto clipped = [](Expr p) { return min(max(p, kEpsilon), 1.0f); };
    return ops::reduce(ops::ReduceKind::sum, y_true, y_pred,
                       [&](Expr label, Expr prediction) {
                         const Expr y = clipped(label);
                         return y * log(y / clipped(prediction));
                       },
                       {-1});
  }
};

}  // namespace

Loss KLDivergence(LossOptions options) {
  return losses::plain_loss<KLDivergenceFormula>(std::move(options));
}
Loss losses::make_KLDivergence(Fields& fields) { return plain_loss<KLDivergenceFormula>(fields); }

}  // namespace stoker

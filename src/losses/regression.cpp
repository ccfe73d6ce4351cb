// Losses that compare numbers, each the mean over the last axis.
#include <utility>

#include "losses/elementwise.h"
#include "losses/plain_loss.h"
#include "ops/align.h"

namespace stoker {
namespace {

using graph::Expr;
using graph::Value;

// Keras's epsilon, below which nothing is divided by and no logarithm is taken.
constexpr float kEpsilon = 1e-7f;

constexpr float kLog2 = 0.693147181f;

struct MeanAbsolutePercentageErrorFormula {
  static constexpr const char* kClass = "MeanAbsolutePercentageError";
  static constexpr const char* kName = "mean_absolute_percentage_error";
  static Value values(Value y_true, Value y_pred) {
    ops::match_predictions(y_true, y_pred);
    return losses::mean_of_last_axis(y_true, y_pred, [](Expr label, Expr prediction) {
      return 100.0f * abs((label - prediction) / max(abs(label), kEpsilon));
    });
  }
};

struct MeanSquaredLogarithmicErrorFormula {
  static constexpr const char* kClass = "MeanSquaredLogarithmicError";
  static constexpr const char* kName = "mean_squared_logarithmic_error";
  static Value values(Value y_true, Value y_pred) {
    ops::match_predictions(y_true, y_pred);
    return losses::mean_of_last_axis(y_true, y_pred, [](Expr label, Expr prediction) {
      return square(log(max(prediction, kEpsilon) + 1.0f) - log(max(label, kEpsilon) + 1.0f));
    });
  }
};

struct LogCoshFormula {
  static constexpr const char* kClass = "LogCosh";
  static constexpr const char* kName = "log_cosh";
  static Value values(Value y_true, Value y_pred) {
    ops::match_predictions(y_true, y_pred);
    return losses::mean_of_last_axis(y_true, y_pred, [](Expr label, Expr prediction) {
      // log cosh e = |e| + log(1 + exp(-2 |e|)) - log 2, which does not overflow.
      const Expr error = abs(prediction - label);
      return error + log1p(exp(error * -2.0f)) - kLog2;
    });
  }
};

struct PoissonFormula {
  static constexpr const char* kClass = "Poisson";
  static constexpr const char* kName = "poisson";
  static Value values(Value y_true, Value y_pred) {
    ops::match_predictions(y_true, y_pred);
    return losses::mean_of_last_axis(y_true, y_pred, [](Expr label, Expr prediction) {
      return prediction - label * log(prediction + kEpsilon);
    });
  }
};

}  // namespace

Loss MeanAbsolutePercentageError(LossOptions options) {
  return losses::plain_loss<MeanAbsolutePercentageErrorFormula>(std::move(options));
}
Loss losses::make_MeanAbsolutePercentageError(Fields& fields) {
  return plain_loss<MeanAbsolutePercentageErrorFormula>(fields);
}

Loss MeanSquaredLogarithmicError(LossOptions options) {
  return losses::plain_loss<MeanSquaredLogarithmicErrorFormula>(std::move(options));
}
Loss losses::make_MeanSquaredLogarithmicError(Fields& fields) {
  return plain_loss<MeanSquaredLogarithmicErrorFormula>(fields);
}

Loss LogCosh(LossOptions options) { return losses::plain_loss<LogCoshFormula>(std::move(options)); }
Loss losses::make_LogCosh(Fields& fields) { return plain_loss<LogCoshFormula>(fields); }

Loss Poisson(LossOptions options) { return losses::plain_loss<PoissonFormula>(std::move(options)); }
Loss losses::make_Poisson(Fields& fields) { return plain_loss<PoissonFormula>(fields); }

}  // namespace stoker

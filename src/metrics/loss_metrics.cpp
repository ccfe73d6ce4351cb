// Metrics that are the mean of a loss.
#include <cmath>
#include <utility>

#include "core/check.h"
#include "losses/loss.h"
#include "metrics/mean_metric.h"
#include "ops/align.h"

namespace stoker::metrics {
namespace {

using graph::Expr;
using graph::Value;

// Weights apply to the loss's values, one for each sample or step. The loss's own reduction does
// not matter.
template <class Arguments>
class LossMetric : public Described<MeanMetric, Arguments> {
 public:
  LossMetric(const char* class_name, const Arguments& arguments, const Loss& loss)
      : Described<MeanMetric, Arguments>(arguments, class_name, arguments.name), loss_(loss) {}

  bool larger_is_better() const override { return false; }

 protected:
  Value values(Value y_true, Value y_pred) const override {
    return loss_.base()->values(y_true, y_pred);
  }

 private:
  const Loss loss_;
};

// ---- Without options ----
// `Which` has the class's name, its name as a string, and the loss.
template <class Which>
struct PlainArguments {
  std::string name = Which::kName;
};
template <class Which>
void describe(Fields& fields, PlainArguments<Which>& arguments) {
  describe_common(fields, arguments.name);
}
template <class Which>
Metric plain(const PlainArguments<Which>& arguments) {
  return Metric(std::make_shared<const LossMetric<PlainArguments<Which>>>(Which::kClass, arguments,
                                                                          Which::loss()));
}
template <class Which>
Metric plain(const MetricOptions& options) {
  return plain(named<PlainArguments<Which>>(options.name));
}
template <class Which>
Metric plain(Fields& fields) {
  return plain(fields.all<PlainArguments<Which>>());
}

#define STOKER_PLAIN(class_name, name)                    \
  struct Of##class_name {                                 \
    static constexpr const char* kClass = #class_name;    \
    static constexpr const char* kName = name;            \
    static Loss loss() { return stoker::class_name({}); } \
  };
STOKER_PLAIN(MeanSquaredError, "mean_squared_error")
STOKER_PLAIN(MeanAbsoluteError, "mean_absolute_error")
STOKER_PLAIN(MeanAbsolutePercentageError, "mean_absolute_percentage_error")
STOKER_PLAIN(MeanSquaredLogarithmicError, "mean_squared_logarithmic_error")
STOKER_PLAIN(Hinge, "hinge")
STOKER_PLAIN(SquaredHinge, "squared_hinge")
STOKER_PLAIN(CategoricalHinge, "categorical_hinge")
STOKER_PLAIN(KLDivergence, "kl_divergence")
STOKER_PLAIN(Poisson, "poisson")
#undef STOKER_PLAIN

struct OfLogCoshError {
  static constexpr const char* kClass = "LogCoshError";
  static constexpr const char* kName = "logcosh";
  static Loss loss() { return LogCosh({}); }
};

// ---- Root mean squared error ----
struct RootArguments {
  std::string name = "root_mean_squared_error";
};
void describe(Fields& fields, RootArguments& root) { describe_common(fields, root.name); }

class RootMeanSquaredErrorMetric final : public Described<MeanMetric, RootArguments> {
 public:
  explicit RootMeanSquaredErrorMetric(const RootArguments& arguments)
      : Described(arguments, "RootMeanSquaredError", arguments.name) {}

  bool larger_is_better() const override { return false; }
  double result(std::span<const double> totals) const override {
    return std::sqrt(MeanMetric::result(totals));
  }

 protected:
  Value values(Value y_true, Value y_pred) const override {
    ops::match_predictions(y_true, y_pred);
    return ops::map(y_true, y_pred,
                    [](Expr label, Expr prediction) { return square(prediction - label); });
  }
};

// ---- Cosine similarity ----
struct CosineArguments {
  std::string name = "cosine_similarity";
  std::int64_t axis = -1;
};
void describe(Fields& fields, CosineArguments& cosine) {
  describe_common(fields, cosine.name);
  // Keras does not write it.
  if (fields.reads() || cosine.axis != -1) fields("axis", cosine.axis);
}

class CosineSimilarityMetric final : public LossMetric<CosineArguments> {
 public:
  explicit CosineSimilarityMetric(const CosineArguments& arguments)
      : LossMetric("CosineSimilarity", arguments,
                   stoker::CosineSimilarity({.axis = arguments.axis})) {}

  bool larger_is_better() const override { return true; }

 protected:
  Value values(Value y_true, Value y_pred) const override {
    return ops::map(LossMetric::values(y_true, y_pred), [](Expr loss) { return -loss; });
  }
};

// ---- Cross-entropies ----
struct BinaryArguments {
  std::string name = "binary_crossentropy";
  bool from_logits = false;
  double label_smoothing = 0.0;
  std::int64_t axis = -1;
};
struct CategoricalArguments {
  std::string name = "categorical_crossentropy";
  bool from_logits = false;
  double label_smoothing = 0.0;
  std::int64_t axis = -1;
};
struct SparseArguments {
  std::string name = "sparse_categorical_crossentropy";
  bool from_logits = false;
};
void describe(Fields& fields, BinaryArguments& binary) {
  describe_common(fields, binary.name);
  fields("from_logits", binary.from_logits);
  fields("label_smoothing", binary.label_smoothing);
  if (fields.reads() || binary.axis != -1) fields("axis", binary.axis);
}
void describe(Fields& fields, CategoricalArguments& categorical) {
  describe_common(fields, categorical.name);
  fields("from_logits", categorical.from_logits);
  fields("label_smoothing", categorical.label_smoothing);
  fields("axis", categorical.axis);
}
void describe(Fields& fields, SparseArguments& sparse) {
  describe_common(fields, sparse.name);
  fields("from_logits", sparse.from_logits);
  fields.never({"ignore_class"});
  fields.only("axis", -1);
}

Metric make(const BinaryArguments& binary) {
  return Metric(std::make_shared<const LossMetric<BinaryArguments>>(
      "BinaryCrossentropy", binary,
      stoker::BinaryCrossentropy({.from_logits = binary.from_logits,
                                  .label_smoothing = binary.label_smoothing,
                                  .axis = binary.axis})));
}
Metric make(const CategoricalArguments& categorical) {
  return Metric(std::make_shared<const LossMetric<CategoricalArguments>>(
      "CategoricalCrossentropy", categorical,
      stoker::CategoricalCrossentropy({.from_logits = categorical.from_logits,
                                       .label_smoothing = categorical.label_smoothing,
                                       .axis = categorical.axis})));
}
Metric make(const SparseArguments& sparse) {
  return Metric(std::make_shared<const LossMetric<SparseArguments>>(
      "SparseCategoricalCrossentropy", sparse,
      stoker::SparseCategoricalCrossentropy({.from_logits = sparse.from_logits})));
}
Metric make(const RootArguments& root) {
  return Metric(std::make_shared<const RootMeanSquaredErrorMetric>(root));
}
Metric make(const CosineArguments& cosine) {
  return Metric(std::make_shared<const CosineSimilarityMetric>(cosine));
}

template <class Arguments>
Metric cross_entropy(const CrossentropyMetricOptions& options) {
  auto arguments = named<Arguments>(options.name);
  arguments.from_logits = options.from_logits;
  arguments.label_smoothing = options.label_smoothing;
  arguments.axis = options.axis;
  return make(arguments);
}

}  // namespace

#define STOKER_PLAIN(class_name)                                                      \
  Metric class_name(MetricOptions options) { return plain<Of##class_name>(options); } \
  Metric make_##class_name(Fields& fields) { return plain<Of##class_name>(fields); }
STOKER_PLAIN(MeanSquaredError)
STOKER_PLAIN(MeanAbsoluteError)
STOKER_PLAIN(MeanAbsolutePercentageError)
STOKER_PLAIN(MeanSquaredLogarithmicError)
STOKER_PLAIN(Hinge)
STOKER_PLAIN(SquaredHinge)
STOKER_PLAIN(CategoricalHinge)
STOKER_PLAIN(KLDivergence)
STOKER_PLAIN(Poisson)
#undef STOKER_PLAIN

Metric CosineSimilarity(CorrelationOptions options) {
  auto arguments = named<CosineArguments>(options.name);
  arguments.axis = options.axis;
  return make(arguments);
}
Metric BinaryCrossentropy(CrossentropyMetricOptions options) {
  return cross_entropy<BinaryArguments>(options);
}
Metric CategoricalCrossentropy(CrossentropyMetricOptions options) {
  return cross_entropy<CategoricalArguments>(options);
}
Metric SparseCategoricalCrossentropy(SparseCrossentropyMetricOptions options) {
  auto arguments = named<SparseArguments>(options.name);
  arguments.from_logits = options.from_logits;
  return make(arguments);
}

Metric make_CosineSimilarity(Fields& fields) { return make(fields.all<CosineArguments>()); }
Metric make_BinaryCrossentropy(Fields& fields) { return make(fields.all<BinaryArguments>()); }
Metric make_CategoricalCrossentropy(Fields& fields) {
  return make(fields.all<CategoricalArguments>());
}
Metric make_SparseCategoricalCrossentropy(Fields& fields) {
  return make(fields.all<SparseArguments>());
}
Metric make_LogCoshError(Fields& fields) { return plain<OfLogCoshError>(fields); }
Metric make_RootMeanSquaredError(Fields& fields) { return make(fields.all<RootArguments>()); }

}  // namespace stoker::metrics

namespace stoker {

Metric LogCoshError(MetricOptions options) {
  return metrics::plain<metrics::OfLogCoshError>(options);
}
Metric RootMeanSquaredError(MetricOptions options) {
  return metrics::make(metrics::named<metrics::RootArguments>(options.name));
}

}  // namespace stoker

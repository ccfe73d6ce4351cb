// Intersection over union of classes, from the confusion matrix.
#include <algorithm>
#include <numeric>
#include <utility>

#include "core/check.h"
#include "metrics/metric.h"
#include "ops/align.h"
#include "ops/common.h"
#include "stoker/error.h"

namespace stoker::metrics {
namespace {

using graph::Expr;
using graph::Value;

enum class Kind { iou, binary, mean, one_hot, one_hot_mean };

struct KindFacts {
  const char* class_name;
  const char* name;
  bool has_targets;
  bool has_sparse_y_true;
};
KindFacts facts_of(Kind kind) {
  switch (kind) {
    case Kind::iou:
      return {"IoU", "io_u", true, true};
    case Kind::binary:
      return {"BinaryIoU", "binary_io_u", true, false};
    case Kind::mean:
      return {"MeanIoU", "mean_io_u", false, true};
    case Kind::one_hot:
      return {"OneHotIoU", "one_hot_io_u", true, false};
    case Kind::one_hot_mean:
      return {"OneHotMeanIoU", "one_hot_mean_io_u", false, false};
  }
  return {};
}

struct Arguments {
  Kind kind = Kind::iou;
  std::string name{};
  std::string dtype = "int64";  // Of the counts: whole weights only, unless it is a float.
  std::int64_t num_classes = 2;
  std::vector<std::int64_t> target_class_ids{};
  std::optional<std::int64_t> ignore_class{};
  bool sparse_y_true = true;
  bool sparse_y_pred = true;
  std::optional<double> threshold{};
};

template <Kind which>
struct ArgumentsOf : Arguments {
  ArgumentsOf() {
    kind = which;
    name = facts_of(which).name;
    sparse_y_true = which != Kind::one_hot && which != Kind::one_hot_mean;
    sparse_y_pred = sparse_y_true;
    if (which == Kind::binary) {
      target_class_ids = {0, 1};
      threshold = 0.5;
    }
  }
};

void describe(Fields& fields, Arguments& iou) {
  const KindFacts facts = facts_of(iou.kind);
  fields("name", iou.name);
  std::optional<std::string> dtype = iou.dtype;
  fields("dtype", dtype);
  if (dtype) iou.dtype = *dtype;
  if (facts.has_targets) fields("target_class_ids", iou.target_class_ids);
  if (iou.kind == Kind::binary) {
    fields("threshold", iou.threshold);
    return;
  }
  fields.required("num_classes", iou.num_classes);
  fields("ignore_class", iou.ignore_class);
  if (facts.has_sparse_y_true) fields("sparse_y_true", iou.sparse_y_true);
  fields("sparse_y_pred", iou.sparse_y_pred);
  fields.only("axis", -1);
}

// Class numbers as whole float32 numbers, one for each element.
Value flat_classes(Value x, bool is_sparse) {
  const Value classes = is_sparse ? x : ops::argmax(ops::to_float(x));
  return ops::map(ops::reshape(ops::to_float(classes), {classes.shape().elements()}),
                  [](Expr c) { return select(less(c, 0.0f), -floor(-c), floor(c)); });
}

class IoUMetric final : public Described<MetricBase, Arguments> {
 public:
  explicit IoUMetric(const Arguments& arguments)
      : Described(arguments, facts_of(arguments.kind).class_name, arguments.name) {
    const char* what = facts_of(arguments.kind).class_name;
    check::require(what, "num_classes", arguments.num_classes, check::closed(1, 4096));
    for (const std::int64_t id : targets()) {
      check::require(what, "target_class_ids", id,
                     check::closed(0, static_cast<double>(arguments.num_classes - 1)));
    }
  }

  bool larger_is_better() const override { return true; }
  int totals() const override {
    return static_cast<int>(options_.num_classes * options_.num_classes);
  }

  std::vector<Value> build(Value y_true, Value y_pred, Value sample_weight) const override {
    graph::Graph& graph = *y_pred.graph;
    const graph::Scope scope(graph,
                             {graph::Origin::Kind::metric, format("metric \"", name(), "\"")});
    if (options_.threshold) {
      const auto threshold = static_cast<float>(*options_.threshold);
      y_pred = ops::map(ops::to_float(y_pred), [&](Expr p) { return 1.0f - less(p, threshold); });
    }
    const Value labels = flat_classes(y_true, options_.sparse_y_true);
    const Value predictions = flat_classes(y_pred, options_.sparse_y_pred);
    ops::require(labels.shape() == predictions.shape(), graph,
                 "expected as many labels as predictions, received ", y_true.shape(), " and ",
                 y_pred.shape());
    const auto classes = static_cast<float>(options_.num_classes);
    // What is no class does not count.
    Value counts = ops::map(labels, predictions, [&](Expr label, Expr prediction) {
      Expr counted = (1.0f - less(label, 0.0f)) * less(label, classes) *
                     (1.0f - less(prediction, 0.0f)) * less(prediction, classes);
      if (options_.ignore_class) {
        counted = counted * (1.0f - equal(label, static_cast<float>(*options_.ignore_class)));
      }
      return counted;
    });
    const Value cell =
        ops::map(labels, predictions, counts, [classes](Expr label, Expr prediction, Expr counted) {
          return (label * classes + prediction) * counted;
        });
    if (sample_weight) counts = ops::multiply(counts, flat_weight(sample_weight, labels));
    const std::int64_t cells = options_.num_classes * options_.num_classes;
    const Value at = ops::one_hot(ops::cast(cell, DType::int32), cells);
    return {ops::reduce(ops::ReduceKind::sum, at,
                        ops::reshape(counts, {labels.shape().elements(), 1}),
                        [](Expr is_cell, Expr weight) { return is_cell * weight; }, {0})};
  }

  double result(std::span<const double> totals) const override {
    constexpr double kEpsilon = 1e-7;
    const auto classes = static_cast<std::size_t>(options_.num_classes);
    double sum = 0.0;
    double valid = 0.0;
    for (const std::int64_t target : targets()) {
      const auto id = static_cast<std::size_t>(target);
      const double both = totals[id * classes + id];
      double either = -both;
      for (std::size_t i = 0; i < classes; ++i) {
        either += totals[id * classes + i] + totals[i * classes + id];
      }
      if (either <= 1e-9) continue;  // The class never came.
      valid += 1.0;
      sum += both / (either + kEpsilon);
    }
    return sum / (valid + kEpsilon);
  }

 private:
  std::vector<std::int64_t> targets() const {
    if (facts_of(options_.kind).has_targets) return options_.target_class_ids;
    std::vector<std::int64_t> all(static_cast<std::size_t>(options_.num_classes));
    std::iota(all.begin(), all.end(), 0);
    return all;
  }

  Value flat_weight(Value weight, Value labels) const {
    const std::int64_t elements = labels.shape().elements();
    const std::int64_t given = weight.shape().elements();
    ops::require(given == elements || given == 1, *labels.graph,
                 "expected a sample weight for each of ", elements, " labels, received ",
                 weight.shape());
    Value flat = ops::reshape(ops::to_float(weight), {given});
    if (options_.dtype.starts_with("float") || options_.dtype.starts_with("bfloat")) return flat;
    return ops::map(flat, [](Expr w) { return select(less(w, 0.0f), -floor(-w), floor(w)); });
  }
};

template <Kind kind>
Metric make(Fields& fields) {
  return Metric(std::make_shared<const IoUMetric>(fields.all<ArgumentsOf<kind>>()));
}
Metric make(Arguments arguments, const std::string& name) {
  if (!name.empty()) arguments.name = name;
  return Metric(std::make_shared<const IoUMetric>(arguments));
}

template <Kind kind>
Metric sparse(std::int64_t num_classes, std::vector<std::int64_t> ids, const IoUOptions& options) {
  ArgumentsOf<kind> arguments;
  arguments.num_classes = num_classes;
  arguments.target_class_ids = std::move(ids);
  arguments.ignore_class = options.ignore_class;
  arguments.sparse_y_true = options.sparse_y_true;
  arguments.sparse_y_pred = options.sparse_y_pred;
  return make(arguments, options.name);
}
template <Kind kind>
Metric one_hot(std::int64_t num_classes, std::vector<std::int64_t> ids,
               const OneHotIoUOptions& options) {
  ArgumentsOf<kind> arguments;
  arguments.num_classes = num_classes;
  arguments.target_class_ids = std::move(ids);
  arguments.ignore_class = options.ignore_class;
  arguments.sparse_y_pred = options.sparse_y_pred;
  return make(arguments, options.name);
}

}  // namespace

Metric make_IoU(Fields& fields) { return make<Kind::iou>(fields); }
Metric make_BinaryIoU(Fields& fields) { return make<Kind::binary>(fields); }
Metric make_MeanIoU(Fields& fields) { return make<Kind::mean>(fields); }
Metric make_OneHotIoU(Fields& fields) { return make<Kind::one_hot>(fields); }
Metric make_OneHotMeanIoU(Fields& fields) { return make<Kind::one_hot_mean>(fields); }

}  // namespace stoker::metrics

namespace stoker {

using metrics::Kind;

Metric IoU(std::int64_t num_classes, std::vector<std::int64_t> target_class_ids,
           IoUOptions options) {
  return metrics::sparse<Kind::iou>(num_classes, std::move(target_class_ids), options);
}
Metric MeanIoU(std::int64_t num_classes, IoUOptions options) {
  return metrics::sparse<Kind::mean>(num_classes, {}, options);
}
Metric OneHotIoU(std::int64_t num_classes, std::vector<std::int64_t> target_class_ids,
                 OneHotIoUOptions options) {
  return metrics::one_hot<Kind::one_hot>(num_classes, std::move(target_class_ids), options);
}
Metric OneHotMeanIoU(std::int64_t num_classes, OneHotIoUOptions options) {
  return metrics::one_hot<Kind::one_hot_mean>(num_classes, {}, options);
}
Metric BinaryIoU(BinaryIoUOptions options) {
  metrics::ArgumentsOf<Kind::binary> arguments;
  arguments.target_class_ids = std::move(options.target_class_ids);
  arguments.threshold = options.threshold;
  return metrics::make(arguments, options.name);
}

}  // namespace stoker

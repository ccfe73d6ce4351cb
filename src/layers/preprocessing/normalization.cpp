// Normalization: (x - mean) / deviation, with numbers that are given or learned from data before
// the training.
#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "core/check.h"
#include "core/multi_index.h"
#include "layers/axes.h"
#include "layers/fields.h"
#include "layers/preprocessing/integer_lookup.h"
#include "layers/preprocessing/normalization.h"
#include "layers/registry.h"
#include "ops/common.h"
#include "stoker/error.h"

namespace stoker {
namespace {

using graph::Expr;
using graph::Value;

// One number, or a list of them.
struct Numbers {
  std::vector<double> values{};
};

}  // namespace

template <>
struct FieldType<Numbers> {
  static Numbers read(const Config& config) {
    if (config.is_number()) return {{config.number()}};
    return {FieldType<std::vector<double>>::read(config)};
  }
  static Config write(const Numbers& numbers) {
    if (numbers.values.size() == 1) return numbers.values[0];
    return FieldType<std::vector<double>>::write(numbers.values);
  }
};

namespace {

constexpr double kLeastDeviation = 1e-7;  // Keras's epsilon

struct NormalizationArguments {
  NormalizationOptions options{};
};

void describe(Fields& fields, NormalizationArguments& arguments) {
  NormalizationOptions& options = arguments.options;
  layers::describe_common(fields, options);
  fields("axis", options.axis);
  fields("invert", options.invert);
  Numbers mean{options.mean}, variance{options.variance};
  fields("mean", mean);
  fields("variance", variance);
  options.mean = std::move(mean.values);
  options.variance = std::move(variance.values);
}

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

double element(const layers::DataBatch& batch, std::int64_t i) {
  switch (batch.dtype) {
    case DType::float32:
      return static_cast<const float*>(batch.elements)[i];
    case DType::int32:
      return static_cast<const std::int32_t*>(batch.elements)[i];
    case DType::uint8:
      return static_cast<const std::uint8_t*>(batch.elements)[i];
    default:
      throw DTypeError(
          format("adapt: expected float32, int32 or uint8 data, received ", batch.dtype));
  }
}

// The mean and the variance of the batches so far, for each place along the axes.
class Moments {
 public:
  void add(const layers::DataBatch& batch, const std::vector<std::int64_t>& axes) {
    const std::vector<std::size_t> place = places(batch.shape, axes);
    std::vector<double> batch_mean(mean.size()), batch_variance(mean.size());
    const std::int64_t elements = batch.shape.elements();
    const double count = static_cast<double>(elements) / static_cast<double>(mean.size());
    const auto for_each = [&](const auto& f) {
      for (std::int64_t i = 0; i < elements; ++i) f(element(batch, i), place[at(i) % place.size()]);
    };
    for_each([&](double value, std::size_t to) { batch_mean[to] += value / count; });
    for_each([&](double value, std::size_t to) {
      batch_variance[to] += (value - batch_mean[to]) * (value - batch_mean[to]) / count;
    });
    merge(batch_mean, batch_variance, count);
  }

  Shape kept;  // the extents of the axes
  std::vector<double> mean, variance;

 private:
  // Returns the place of each element of a sample.
  std::vector<std::size_t> places(const Shape& shape, const std::vector<std::int64_t>& axes) {
    Shape extents;
    for (const std::int64_t axis : axes) extents.push_back(shape[at(axis)]);
    if (count_ == 0.0) {
      kept = extents;
      mean.assign(at(kept.elements()), 0.0);
      variance = mean;
    } else if (extents != kept) {
      throw ShapeError(format("adapt: expected batches of one shape, received ", shape,
                              " after others whose means are ", kept));
    }
    const Shape sample = shape.without_batch().with_batch(1);
    std::vector<std::size_t> result(at(sample.elements()));
    for (std::size_t i = 0; i < result.size(); ++i) {
      const Shape index = multi_index(sample, static_cast<std::int64_t>(i));
      std::size_t flat = 0;
      for (const std::int64_t axis : axes) flat = flat * at(shape[at(axis)]) + at(index[at(axis)]);
      result[i] = flat;
    }
    return result;
  }

  // Chan, Golub, LeVeque: "Updating formulae and a pairwise algorithm for computing sample
  // variances", 1979.
  void merge(const std::vector<double>& other_mean, const std::vector<double>& other_variance,
             double count) {
    const double share = count / (count_ + count);
    for (std::size_t i = 0; i < mean.size(); ++i) {
      const double difference = other_mean[i] - mean[i];
      mean[i] += difference * share;
      variance[i] += (other_variance[i] - variance[i]) * share +
                     difference * difference * share * (1.0 - share);
    }
    count_ += count;
  }

  double count_ = 0.0;  // elements of a place
};

using FirstValues = std::shared_ptr<const std::vector<float>>;

class NormalizationLayer final : public layers::DescribedLayer<NormalizationArguments> {
 public:
  explicit NormalizationLayer(NormalizationArguments arguments)
      : DescribedLayer("Normalization", std::move(arguments)) {
    supports_masking = true;
    if (options_.mean.empty() != options_.variance.empty()) {
      throw ValueError(format(label(), ": expected mean and variance, or neither, received ",
                              options_.mean.empty() ? "a variance" : "a mean", " alone"));
    }
    for (const double mean : options_.mean) {
      check::require(label(), "means", mean, check::finite());
    }
    for (const double variance : options_.variance) {
      check::require(label(), "variances", variance, check::at_least(0));
    }
  }

  Value apply(layers::BuildContext& context, Value x) override {
    x = context.to_compute(x);
    const std::vector<std::int64_t> axes = kept_axes(x);
    Shape kept, along(std::vector<std::int64_t>(x.shape().rank(), 1));
    for (const std::int64_t axis : axes) {
      kept.push_back(x.shape()[at(axis)]);
      along[at(axis)] = x.shape()[at(axis)];
    }
    Value mean, deviation;
    if (options_.mean.empty()) {
      mean = context.weight({"mean", kept, "zeros", {}, {}, false, false, mean_});
      const Value variance =
          context.weight({"variance", kept, "ones", {}, {}, false, false, variance_});
      context.weight({"count", {}, "zeros", {}, {}, false, false});  // Keras's files have it.
      mean = ops::reshape(mean, along);
      deviation = ops::map(ops::reshape(variance, along), [](Expr v) {
        return max(sqrt(v), static_cast<float>(kLeastDeviation));
      });
    } else {
      const auto one = [](double value) { return static_cast<float>(value); };
      const auto root = [](double value) {
        return static_cast<float>(std::max(std::sqrt(value), kLeastDeviation));
      };
      mean = constant(x, axes, options_.mean, one);
      deviation = constant(x, axes, options_.variance, root);
    }
    return context.to_compute(ops::map(x, mean, deviation, [this](Expr v, Expr m, Expr d) {
      return options_.invert ? m + v * d : (v - m) / d;
    }));
  }

  void adapt(const std::function<std::optional<layers::DataBatch>()>& next) {
    if (!options_.mean.empty()) {
      throw ValueError(format(label(), ": adapt: expected a layer without a mean of its own"));
    }
    if (stored) {
      throw ValueError(format(label(), ": adapt: expected a layer that is in no model yet, since ",
                              "its weights have values there; set_weights() changes those"));
    }
    graph::Graph graph;
    const graph::Scope scope(graph, {graph::Origin::Kind::layer, label()});
    Moments moments;
    while (const std::optional<layers::DataBatch> batch = next()) {
      if (batch->shape.elements() == 0) continue;
      const Value x = graph.leaf("data", {batch->dtype, batch->shape}, {});
      moments.add(*batch, kept_axes(x));
    }
    if (moments.mean.empty()) throw ShapeError(format(label(), ": adapt: received no data"));
    for (const layers::WeightSpec& spec : weights()) {
      if (spec.name != "mean" || spec.shape == moments.kept) continue;
      throw ShapeError(format(label(), ": adapt: expected data whose means are ", spec.shape,
                              ", as its input's are, received data whose means are ",
                              moments.kept));
    }
    const std::vector<double>&mean = moments.mean, &variance = moments.variance;
    mean_ = std::make_shared<const std::vector<float>>(mean.begin(), mean.end());
    variance_ = std::make_shared<const std::vector<float>>(variance.begin(), variance.end());
    begin_with("mean", mean_);
    begin_with("variance", variance_);
  }

 private:
  std::vector<std::int64_t> kept_axes(Value x) const {
    if (options_.axis.numbers().empty()) return {};
    return layers::axes_after_batch(options_.axis, x);
  }

  template <class F>
  static Value constant(Value x, const std::vector<std::int64_t>& axes,
                        const std::vector<double>& numbers, const F& f) {
    const std::int64_t places = axes.empty() ? 1 : x.shape()[at(axes.back())];
    const auto count = static_cast<std::int64_t>(numbers.size());
    ops::require(count == 1 || count == places, *x.graph,
                 "expected one number, or one for each of ", places,
                 " places along the last of its axes, received ", count, " for input ", x.shape());
    std::vector<float> values;
    for (const double number : numbers) values.push_back(f(number));
    Shape shape(std::vector<std::int64_t>(x.shape().rank(), 1));
    if (count > 1) shape[at(axes.back())] = count;
    return ops::constant(*x.graph, shape, std::move(values));
  }

  const NormalizationOptions& options_ = arguments_.options;
  FirstValues mean_, variance_;  // what adapt() has learned
};

}  // namespace

Layer Normalization(NormalizationOptions options) {
  return Layer(std::make_shared<NormalizationLayer>(NormalizationArguments{std::move(options)}));
}

void layers::adapt(const Layer& normalization,
                   const std::function<std::optional<DataBatch>()>& next) {
  if (adapt_lookup(normalization, next)) return;
  auto* layer = dynamic_cast<NormalizationLayer*>(normalization.base().get());
  if (layer == nullptr) {
    throw ValueError(format("adapt: expected a Normalization or an IntegerLookup, received ",
                            normalization.base() ? normalization.base()->label() : "no layer"));
  }
  layer->adapt(next);
}

void adapt(const Layer& normalization, const Tensor& data) {
  bool is_first = true;
  layers::adapt(normalization, [&]() -> std::optional<layers::DataBatch> {
    if (!std::exchange(is_first, false)) return std::nullopt;
    return layers::DataBatch{data.raw(), data.dtype(), data.shape()};
  });
}

Layer layers::make_Normalization(Fields& fields) {
  return Layer(std::make_shared<NormalizationLayer>(fields.all<NormalizationArguments>()));
}

}  // namespace stoker

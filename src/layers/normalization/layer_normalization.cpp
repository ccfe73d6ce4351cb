// LayerNormalization (Ba, Kiros, Hinton 2016) and RMSNormalization (Zhang, Sennrich 2019). As in
// Keras, the arithmetic is float32 whatever the policy.
#include <algorithm>
#include <vector>

#include "core/check.h"
#include "layers/axes.h"
#include "layers/fields.h"
#include "layers/normalization/standardize.h"
#include "layers/registry.h"
#include "ops/common.h"

namespace stoker {
namespace {

using graph::Expr;
using graph::Value;

// The shape of a weight with an element for each place along the axes. As in Keras, its extents
// stand in the order of the axes' numbers, in which -1 comes before 1.
Shape weight_shape(const Axes& axes, const Shape& x) {
  std::vector<std::int64_t> numbers = axes.numbers();
  std::sort(numbers.begin(), numbers.end());
  const auto rank = static_cast<std::int64_t>(x.rank());
  Shape shape;
  for (const std::int64_t axis : numbers) {
    shape.push_back(x[static_cast<std::size_t>(axis < 0 ? axis + rank : axis)]);
  }
  return shape;
}

// The weight with an extent for each axis of x.
Value along_axes(Value weight, const std::vector<std::int64_t>& axes, const Shape& x) {
  Shape shape(std::vector<std::int64_t>(x.rank(), 1));
  for (const std::int64_t axis : axes) {
    shape[static_cast<std::size_t>(axis)] = x[static_cast<std::size_t>(axis)];
  }
  return ops::reshape(weight, shape);
}

struct LayerNormalizationArguments {
  LayerNormalizationOptions options{};
};

void describe(Fields& fields, LayerNormalizationArguments& arguments) {
  LayerNormalizationOptions& norm = arguments.options;
  layers::describe_common(fields, norm);
  fields("axis", norm.axis);
  fields("epsilon", norm.epsilon);
  fields("center", norm.center);
  fields("scale", norm.scale);
  fields("beta_initializer", norm.beta_initializer);
  fields("gamma_initializer", norm.gamma_initializer);
  fields("beta_regularizer", norm.beta_regularizer);
  fields("gamma_regularizer", norm.gamma_regularizer);
  fields("beta_constraint", norm.beta_constraint);
  fields("gamma_constraint", norm.gamma_constraint);
  fields.never({"rms_scaling"});
}

class LayerNormalizationLayer final : public layers::DescribedLayer<LayerNormalizationArguments> {
 public:
  explicit LayerNormalizationLayer(LayerNormalizationArguments arguments)
      : DescribedLayer("LayerNormalization", std::move(arguments)) {
    supports_masking = true;
    casts_inputs = false;
    check::require(label(), "an epsilon", options_.epsilon, check::above(0));
  }

  Value apply(layers::BuildContext& context, Value x) override {
    const auto axes = layers::axes_after_batch(options_.axis, x);
    const Shape shape = weight_shape(options_.axis, x.shape());
    Value gamma, beta;
    if (options_.scale) {
      gamma = context.weight({"gamma", shape, options_.gamma_initializer,
                              options_.gamma_regularizer, options_.gamma_constraint, true, false});
    }
    if (options_.center) {
      beta = context.weight({"beta", shape, options_.beta_initializer, options_.beta_regularizer,
                             options_.beta_constraint, true, false});
    }
    // One op does for a training step, where the rows lie together.
    if (context.training() && options_.scale && options_.center && x.dtype() == DType::float32 &&
        are_last(axes, x.shape())) {
      return context.to_compute(normalize_rows(x, gamma, beta));
    }
    if (options_.scale) gamma = along_axes(gamma, axes, x.shape());
    if (options_.center) beta = along_axes(beta, axes, x.shape());
    return context.to_compute(layers::standardize(x, axes, options_.epsilon, gamma, beta));
  }

 private:
  // Whether the axes, in this order, are the last ones.
  static bool are_last(const std::vector<std::int64_t>& axes, const Shape& x) {
    const auto first = static_cast<std::int64_t>(x.rank() - axes.size());
    for (std::size_t i = 0; i < axes.size(); ++i) {
      if (axes[i] != first + static_cast<std::int64_t>(i)) return false;
    }
    return true;
  }

  Value normalize_rows(Value x, Value gamma, Value beta) const {
    const Shape shape = x.shape();
    const std::int64_t columns = gamma.shape().elements();
    Shape rows;
    for (std::size_t axis = 0; axis + gamma.shape().rank() < shape.rank(); ++axis) {
      rows.push_back(shape[axis]);
    }
    rows.push_back(columns);
    const Value y =
        ops::layer_norm(ops::reshape(x, rows), ops::reshape(gamma, {columns}),
                        ops::reshape(beta, {columns}), static_cast<float>(options_.epsilon));
    return ops::reshape(y, shape);
  }

  const LayerNormalizationOptions& options_ = arguments_.options;
};

struct RMSNormalizationArguments {
  RMSNormalizationOptions options{};
};

void describe(Fields& fields, RMSNormalizationArguments& arguments) {
  layers::describe_common(fields, arguments.options);
  fields("axis", arguments.options.axis);
  fields("epsilon", arguments.options.epsilon);
}

class RMSNormalizationLayer final : public layers::DescribedLayer<RMSNormalizationArguments> {
 public:
  explicit RMSNormalizationLayer(RMSNormalizationArguments arguments)
      : DescribedLayer("RMSNormalization", std::move(arguments)) {
    check::require(label(), "an epsilon", arguments_.options.epsilon, check::above(0));
  }

  Value apply(layers::BuildContext& context, Value x) override {
    const RMSNormalizationOptions& options = arguments_.options;
    x = context.to_compute(x);
    const auto axes = layers::axes_after_batch(options.axis, x);
    std::int64_t count = 1;
    for (const std::int64_t axis : axes) count *= x.shape()[static_cast<std::size_t>(axis)];
    const Value squares = ops::reduce(
        ops::ReduceKind::sum, x, [](Expr value) { return square(value); }, axes, true,
        static_cast<float>(1.0 / static_cast<double>(count)));
    const Value inverse = ops::map(
        squares, [&](Expr mean) { return rsqrt(mean + static_cast<float>(options.epsilon)); });
    const Value scale = along_axes(
        context.weight({"scale", weight_shape(options.axis, x.shape()), "ones"}), axes, x.shape());
    return context.to_compute(
        ops::map(x, inverse, scale, [](Expr value, Expr i, Expr s) { return value * i * s; }));
  }
};

}  // namespace

Layer LayerNormalization(LayerNormalizationOptions options) {
  return Layer(
      std::make_shared<LayerNormalizationLayer>(LayerNormalizationArguments{std::move(options)}));
}
Layer RMSNormalization(RMSNormalizationOptions options) {
  return Layer(
      std::make_shared<RMSNormalizationLayer>(RMSNormalizationArguments{std::move(options)}));
}

Layer layers::make_LayerNormalization(Fields& fields) {
  return Layer(
      std::make_shared<LayerNormalizationLayer>(fields.all<LayerNormalizationArguments>()));
}
Layer layers::make_RMSNormalization(Fields& fields) {
  return Layer(std::make_shared<RMSNormalizationLayer>(fields.all<RMSNormalizationArguments>()));
}

}  // namespace stoker

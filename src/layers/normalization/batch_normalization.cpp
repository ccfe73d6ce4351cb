// BatchNormalization (Ioffe, Szegedy 2015) normalises by the batch's statistics while training, and
// by moving averages of them otherwise. As in Keras, statistics, scale, shift and arithmetic are
// float32 whatever the policy; only the input and the output have the layer's type.
#include "core/check.h"
#include "layers/fields.h"
#include "layers/registry.h"
#include "ops/common.h"
#include "stoker/error.h"

namespace stoker {
namespace {

using graph::Expr;

struct BatchNormalizationArguments {
  BatchNormalizationOptions options{};
};

void describe(Fields& fields, BatchNormalizationArguments& arguments) {
  BatchNormalizationOptions& norm = arguments.options;
  layers::describe_common(fields, norm);
  fields("axis", norm.axis);
  fields("momentum", norm.momentum);
  fields("epsilon", norm.epsilon);
  fields("center", norm.center);
  fields("scale", norm.scale);
  fields("beta_initializer", norm.beta_initializer);
  fields("gamma_initializer", norm.gamma_initializer);
  fields("moving_mean_initializer", norm.moving_mean_initializer);
  fields("moving_variance_initializer", norm.moving_variance_initializer);
  fields("beta_regularizer", norm.beta_regularizer);
  fields("gamma_regularizer", norm.gamma_regularizer);
  fields("beta_constraint", norm.beta_constraint);
  fields("gamma_constraint", norm.gamma_constraint);
  fields.never({"synchronized", "renorm", "renorm_clipping"});
  fields.ignored({"renorm_momentum"});  // This only matters together with renorm.
}

class BatchNormalizationLayer final : public layers::DescribedLayer<BatchNormalizationArguments> {
 public:
  explicit BatchNormalizationLayer(BatchNormalizationArguments arguments)
      : DescribedLayer("BatchNormalization", std::move(arguments)) {
    check::require(label(), "a momentum", options_.momentum, check::closed(0, 1));
    check::require(label(), "an epsilon", options_.epsilon, check::above(0));
  }

  graph::Value apply(layers::BuildContext& context, graph::Value x) override {
    x = context.to_compute(x);
    const std::size_t axis = axis_of(x);
    const Shape channels{x.shape()[axis]};
    graph::Value gamma;
    graph::Value beta;
    if (options_.scale) {
      gamma = context.weight({"gamma", channels, options_.gamma_initializer,
                              options_.gamma_regularizer, options_.gamma_constraint, true, false});
    }
    if (options_.center) {
      beta = context.weight({"beta", channels, options_.beta_initializer, options_.beta_regularizer,
                             options_.beta_constraint, true, false});
    }
    const layers::WeightSpec mean_spec{
        "moving_mean", channels, options_.moving_mean_initializer, {}, {}, false, false};
    const layers::WeightSpec variance_spec{
        "moving_variance", channels, options_.moving_variance_initializer, {}, {}, false, false};
    const graph::Value moving_mean = context.weight(mean_spec);
    const graph::Value moving_variance = context.weight(variance_spec);

    // A frozen layer keeps its statistics and uses them, as in Keras.
    if (!context.training() || !context.trainable()) {
      return context.to_compute(normalize(x, moving_mean, moving_variance, gamma, beta, axis));
    }
    const ops::BatchNormResult result = train(x, gamma, beta, axis);
    context.update(mean_spec, moved(moving_mean, result.mean));
    context.update(variance_spec, moved(moving_variance, result.variance));
    return context.to_compute(result.y);
  }

 private:
  std::size_t axis_of(graph::Value x) const {
    const auto rank = static_cast<std::int64_t>(x.shape().rank());
    const std::int64_t axis = options_.axis < 0 ? options_.axis + rank : options_.axis;
    ops::require(axis >= 1 && axis < rank, *x.graph, "axis ", options_.axis, " is none of input ",
                 x.shape(), " after the batch");
    return static_cast<std::size_t>(axis);
  }

  ops::BatchNormResult train(graph::Value x, graph::Value gamma, graph::Value beta,
                             std::size_t axis) const {
    const std::size_t rank = x.shape().rank();
    const Shape channels{x.shape()[axis]};
    if (axis == rank - 1) {
      if (!gamma) gamma = ops::fill(*x.graph, channels, 1.0f);
      if (!beta) beta = ops::fill(*x.graph, channels, 0.0f);
      return ops::batch_norm(x, gamma, beta, static_cast<float>(options_.epsilon));
    }
    std::vector<std::int64_t> others;
    for (std::size_t i = 0; i < rank; ++i) {
      if (i != axis) others.push_back(static_cast<std::int64_t>(i));
    }
    x = ops::to_float(x);
    const graph::Value mean = ops::reduce_mean(x, others, true);
    const graph::Value centered = ops::map(x, mean, [](Expr value, Expr m) { return value - m; });
    const graph::Value variance =
        ops::reduce_mean(ops::map(centered, [](Expr c) { return square(c); }), others, true);
    const graph::Value zero = ops::fill(*x.graph, channels, 0.0f);
    return {normalize(centered, zero, variance, gamma, beta, axis), ops::reshape(mean, channels),
            ops::reshape(variance, channels)};
  }

  // gamma (x - mean) / sqrt(variance + epsilon) + beta. Scale and shift are computed once for a
  // channel instead of for every element.
  graph::Value normalize(graph::Value x, graph::Value mean, graph::Value variance,
                         graph::Value gamma, graph::Value beta, std::size_t axis) const {
    Shape along(std::vector<std::int64_t>(x.shape().rank(), 1));
    along[axis] = x.shape()[axis];
    const auto epsilon = static_cast<float>(options_.epsilon);
    graph::Value scale =
        ops::map(ops::reshape(variance, along), [&](Expr v) { return rsqrt(v + epsilon); });
    if (gamma) scale = ops::multiply(scale, ops::reshape(gamma, along));
    graph::Value shift =
        ops::map(ops::reshape(mean, along), scale, [](Expr m, Expr s) { return -(m * s); });
    if (beta) shift = ops::add(shift, ops::reshape(beta, along));
    return ops::map(x, scale, shift, [](Expr value, Expr s, Expr t) { return value * s + t; });
  }

  graph::Value moved(graph::Value average, graph::Value value) const {
    const auto keep = static_cast<float>(options_.momentum);
    const auto take = static_cast<float>(1.0 - options_.momentum);
    return ops::map(average, value, [&](Expr a, Expr v) { return a * keep + v * take; });
  }

  const BatchNormalizationOptions& options_ = arguments_.options;
};

}  // namespace

Layer BatchNormalization(BatchNormalizationOptions options) {
  return Layer(
      std::make_shared<BatchNormalizationLayer>(BatchNormalizationArguments{std::move(options)}));
}

Layer layers::make_BatchNormalization(Fields& fields) {
  return Layer(
      std::make_shared<BatchNormalizationLayer>(fields.all<BatchNormalizationArguments>()));
}

}  // namespace stoker

// GroupNormalization (Wu, He 2018). As in Keras, the arithmetic is float32 whatever the policy.
#include <vector>

#include "core/check.h"
#include "layers/axes.h"
#include "layers/fields.h"
#include "layers/normalization/standardize.h"
#include "layers/registry.h"
#include "ops/common.h"
#include "stoker/error.h"

namespace stoker {
namespace {

using graph::Value;

struct GroupNormalizationArguments {
  GroupNormalizationOptions options{};
};

void describe(Fields& fields, GroupNormalizationArguments& arguments) {
  GroupNormalizationOptions& norm = arguments.options;
  layers::describe_common(fields, norm);
  fields("groups", norm.groups);
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
}

class GroupNormalizationLayer final : public layers::DescribedLayer<GroupNormalizationArguments> {
 public:
  explicit GroupNormalizationLayer(GroupNormalizationArguments arguments)
      : DescribedLayer("GroupNormalization", std::move(arguments)) {
    supports_masking = true;
    casts_inputs = false;
    if (options_.groups != -1) {
      check::require(label(), "groups", options_.groups, check::at_least(1));
    }
    check::require(label(), "an epsilon", options_.epsilon, check::above(0));
  }

  // The groups get an axis of their own, before that of a group's channels.
  Value apply(layers::BuildContext& context, Value x) override {
    const Shape shape = x.shape();
    const auto axis = static_cast<std::size_t>(layers::axes_after_batch(options_.axis, x)[0]);
    const std::int64_t channels = shape[axis];
    const std::int64_t groups = options_.groups == -1 ? channels : options_.groups;
    ops::require(channels % groups == 0, *x.graph, "expected channels divisible by ", groups,
                 " groups along axis ", options_.axis, ", received ", shape);
    ops::require(shape.rank() < Shape::kMaxRank, *x.graph, "expected input of rank ",
                 Shape::kMaxRank - 1, " or less, received ", shape);
    Shape grouped, weight_shape;
    std::vector<std::int64_t> axes;
    for (std::size_t i = 0; i < shape.rank(); ++i) {
      if (i == axis) {
        grouped.push_back(groups);
        weight_shape.push_back(groups);
      }
      if (i > 0) axes.push_back(static_cast<std::int64_t>(grouped.rank()));
      grouped.push_back(i == axis ? channels / groups : shape[i]);
      weight_shape.push_back(i == axis ? channels / groups : 1);
    }
    Value gamma, beta;
    if (options_.scale) {
      gamma = context.weight({"gamma",
                              {channels},
                              options_.gamma_initializer,
                              options_.gamma_regularizer,
                              options_.gamma_constraint,
                              true,
                              false});
      gamma = ops::reshape(gamma, weight_shape);
    }
    if (options_.center) {
      beta = context.weight({"beta",
                             {channels},
                             options_.beta_initializer,
                             options_.beta_regularizer,
                             options_.beta_constraint,
                             true,
                             false});
      beta = ops::reshape(beta, weight_shape);
    }
    const Value y =
        layers::standardize(ops::reshape(x, grouped), axes, options_.epsilon, gamma, beta);
    return context.to_compute(ops::reshape(y, shape));
  }

 private:
  const GroupNormalizationOptions& options_ = arguments_.options;
};

}  // namespace

Layer GroupNormalization(GroupNormalizationOptions options) {
  return Layer(
      std::make_shared<GroupNormalizationLayer>(GroupNormalizationArguments{std::move(options)}));
}

Layer layers::make_GroupNormalization(Fields& fields) {
  return Layer(
      std::make_shared<GroupNormalizationLayer>(fields.all<GroupNormalizationArguments>()));
}

}  // namespace stoker

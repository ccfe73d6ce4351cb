// LeakyReLU, ELU and PReLU: activations that let a part of negative inputs through.
#include "core/check.h"
#include "layers/fields.h"
#include "layers/registry.h"
#include "ops/common.h"

namespace stoker {
namespace {

using graph::Expr;

struct LeakyReLUArguments {
  LeakyReLUOptions options{};
};

void describe(Fields& fields, LeakyReLUArguments& arguments) {
  layers::describe_common(fields, arguments.options);
  fields("negative_slope", arguments.options.negative_slope);
}

class LeakyReLULayer final : public layers::DescribedLayer<LeakyReLUArguments> {
 public:
  explicit LeakyReLULayer(LeakyReLUArguments arguments)
      : DescribedLayer("LeakyReLU", std::move(arguments)) {
    supports_masking = true;
    check::require(label(), "a negative_slope", arguments_.options.negative_slope,
                   check::at_least(0));
  }

  graph::Value apply(layers::BuildContext& context, graph::Value x) override {
    return layers::activate(context.to_compute(x),
                            {"leaky_relu", {arguments_.options.negative_slope}});
  }
};

struct ELUArguments {
  ELUOptions options{};
};

void describe(Fields& fields, ELUArguments& arguments) {
  layers::describe_common(fields, arguments.options);
  fields("alpha", arguments.options.alpha);
}

class ELULayer final : public layers::DescribedLayer<ELUArguments> {
 public:
  explicit ELULayer(ELUArguments arguments) : DescribedLayer("ELU", std::move(arguments)) {
    supports_masking = true;
    check::require(label(), "an alpha", arguments_.options.alpha, check::finite());
  }

  graph::Value apply(layers::BuildContext& context, graph::Value x) override {
    return layers::activate(context.to_compute(x), {"elu", {arguments_.options.alpha}});
  }
};

struct PReLUArguments {
  PReLUOptions options{};
};

void describe(Fields& fields, PReLUArguments& arguments) {
  layers::describe_common(fields, arguments.options);
  fields("alpha_initializer", arguments.options.alpha_initializer);
  fields("alpha_regularizer", arguments.options.alpha_regularizer);
  fields("alpha_constraint", arguments.options.alpha_constraint);
  fields("shared_axes", arguments.options.shared_axes);
}

// He et al.: "Delving deep into rectifiers", 2015.
class PReLULayer final : public layers::DescribedLayer<PReLUArguments> {
 public:
  explicit PReLULayer(PReLUArguments arguments) : DescribedLayer("PReLU", std::move(arguments)) {
    supports_masking = true;
    for (const std::int64_t axis : arguments_.options.shared_axes) {
      check::require(label(), "shared axes", axis, check::at_least(1));
    }
  }

  graph::Value apply(layers::BuildContext& context, graph::Value x) override {
    x = context.to_compute(x);
    Shape shape = x.shape().without_batch();
    for (const std::int64_t axis : arguments_.options.shared_axes) {
      ops::require(axis < static_cast<std::int64_t>(x.shape().rank()), *x.graph, "shared axis ",
                   axis, " is none of input ", x.shape(), " after the batch");
      shape[static_cast<std::size_t>(axis - 1)] = 1;
    }
    const graph::Value alpha =
        context.weight({"alpha", shape, arguments_.options.alpha_initializer,
                        arguments_.options.alpha_regularizer, arguments_.options.alpha_constraint});
    return ops::map(x, alpha,
                    [](Expr value, Expr slope) { return relu(value) - slope * relu(-value); });
  }
};

}  // namespace

Layer LeakyReLU(LeakyReLUOptions options) {
  return Layer(std::make_shared<LeakyReLULayer>(LeakyReLUArguments{std::move(options)}));
}
Layer ELU(ELUOptions options) {
  return Layer(std::make_shared<ELULayer>(ELUArguments{std::move(options)}));
}
Layer PReLU(PReLUOptions options) {
  return Layer(std::make_shared<PReLULayer>(PReLUArguments{std::move(options)}));
}

Layer layers::make_LeakyReLU(Fields& fields) {
  return Layer(std::make_shared<LeakyReLULayer>(fields.all<LeakyReLUArguments>()));
}
Layer layers::make_ELU(Fields& fields) {
  return Layer(std::make_shared<ELULayer>(fields.all<ELUArguments>()));
}
Layer layers::make_PReLU(Fields& fields) {
  return Layer(std::make_shared<PReLULayer>(fields.all<PReLUArguments>()));
}

}  // namespace stoker

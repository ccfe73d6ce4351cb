// Activation and ReLU: activation functions as layers.
#include <limits>

#include "core/check.h"
#include "layers/fields.h"
#include "layers/registry.h"

namespace stoker {
namespace {

struct ActivationArguments {
  ActivationFunction activation{};
  NameOptions options{};
};

void describe(Fields& fields, ActivationArguments& arguments) {
  layers::describe_common(fields, arguments.options);
  fields.required("activation", arguments.activation);
}

class ActivationLayer final : public layers::DescribedLayer<ActivationArguments> {
 public:
  explicit ActivationLayer(ActivationArguments arguments)
      : DescribedLayer("Activation", std::move(arguments)) {
    supports_masking = true;
  }

  graph::Value apply(layers::BuildContext&, graph::Value x) override {
    return layers::activate(x, arguments_.activation);
  }
};

struct ReLUArguments {
  ReLUOptions options{};
};

void describe(Fields& fields, ReLUArguments& arguments) {
  layers::describe_common(fields, arguments.options);
  fields("max_value", arguments.options.max_value);
  fields("negative_slope", arguments.options.negative_slope);
  fields("threshold", arguments.options.threshold);
}

class ReLULayer final : public layers::DescribedLayer<ReLUArguments> {
 public:
  explicit ReLULayer(ReLUArguments arguments) : DescribedLayer("ReLU", std::move(arguments)) {
    supports_masking = true;
    const ReLUOptions& options = arguments_.options;
    if (options.max_value) {
      check::require(label(), "a max_value", *options.max_value, check::at_least(0));
    }
    check::require(label(), "a negative_slope", options.negative_slope, check::at_least(0));
    check::require(label(), "a threshold", options.threshold, check::at_least(0));
  }

  graph::Value apply(layers::BuildContext& context, graph::Value x) override {
    const ReLUOptions& options = arguments_.options;
    const double limit = options.max_value.value_or(std::numeric_limits<double>::infinity());
    return layers::activate(context.to_compute(x),
                            {"relu", {options.negative_slope, limit, options.threshold}});
  }
};

}  // namespace

Layer Activation(ActivationFunction activation, NameOptions options) {
  return Layer(std::make_shared<ActivationLayer>(
      ActivationArguments{std::move(activation), std::move(options)}));
}
Layer ReLU(ReLUOptions options) {
  return Layer(std::make_shared<ReLULayer>(ReLUArguments{std::move(options)}));
}

Layer layers::make_Activation(Fields& fields) {
  return Layer(std::make_shared<ActivationLayer>(fields.all<ActivationArguments>()));
}
Layer layers::make_ReLU(Fields& fields) {
  return Layer(std::make_shared<ReLULayer>(fields.all<ReLUArguments>()));
}

}  // namespace stoker

// TimeDistributed: the steps of a sequence as one large batch.
#include <algorithm>

#include "layers/fields.h"
#include "layers/recurrent/cell.h"
#include "layers/registry.h"
#include "layers/wrapping.h"
#include "ops/common.h"
#include "stoker/error.h"

namespace stoker {
namespace layers {
namespace {

using graph::Value;

struct TimeDistributedArguments {
  NameOptions options{};
  Config layer{};
};

void describe(Fields& fields, TimeDistributedArguments& arguments) {
  describe_common(fields, arguments.options);
  fields.required("layer", arguments.layer);
}

bool has_state(const LayerBase& layer) {
  return std::ranges::any_of(layer.weights(), [](const auto& spec) { return !spec.trainable; }) ||
         std::ranges::any_of(layer.children(),
                             [](const Child& child) { return has_state(*child.layer); });
}

class TimeDistributedLayer final : public LayerBase {
 public:
  TimeDistributedLayer(NameOptions options, Layer layer)
      : LayerBase("TimeDistributed", options.name, options.dtype),
        options_(std::move(options)),
        inner_(layer.base()) {
    supports_masking = true;
    casts_inputs = false;
  }

  std::vector<Child> children() const override { return {wrapped(inner_)}; }

  void write_fields(Fields& fields) const override {
    TimeDistributedArguments arguments{options_, config_of(children().at(0))};
    arguments.options.name = name();
    describe(fields, arguments);
  }

  std::vector<MaskedValue> build(BuildContext& context,
                                 std::span<const MaskedValue> inputs) override {
    if (inputs.size() != 1) {
      throw ShapeError(format(label(), ": expected one input, received ", inputs.size()));
    }
    const Value x = inputs[0].value;
    ops::require(x.shape().rank() >= 3, *x.graph,
                 "expected a sequence (batch, steps, ...) of rank 3 or more, received ", x.shape());
    const Value mask = inputs[0].mask;
    if (mask) {
      ops::require(mask.shape().rank() >= 2 && mask.shape()[0] == x.shape()[0] &&
                       mask.shape()[1] == x.shape()[1],
                   *x.graph, "expected a mask whose first axes are those of ", x.shape(),
                   ", received ", mask.shape());
    }
    return {{of_steps(context, x), mask}};
  }

 private:
  Value of_steps(BuildContext& context, Value x) {
    const std::int64_t batch = x.shape()[0], steps = x.shape()[1];
    // As in Keras, what follows from the statistics of a batch follows from those of one step.
    if (has_state(*inner_) && context.training()) {
      std::vector<Value> outputs;
      std::uint32_t number = 0;
      for (const Value& step : ops::split(x, 1, steps)) {
        const MaskedValue one{without_step(step)};
        outputs.push_back(with_step(only(context.call(*inner_, {&one, 1}, number++))));
      }
      return outputs.size() == 1 ? outputs[0] : ops::concatenate(outputs, 1);
    }
    Shape merged{batch < 0 ? Shape::kUnknown : batch * steps};
    for (std::size_t axis = 2; axis < x.shape().rank(); ++axis) merged.push_back(x.shape()[axis]);
    const MaskedValue all{ops::reshape(x, merged)};
    const Value y = only(context.call(*inner_, {&all, 1}));
    Shape shape{batch, steps};
    for (std::size_t axis = 1; axis < y.shape().rank(); ++axis) shape.push_back(y.shape()[axis]);
    return ops::reshape(y, shape);
  }
  Value only(const std::vector<MaskedValue>& outputs) const {
    if (outputs.size() == 1) return outputs[0].value;
    throw ShapeError(format(label(), ": expected a layer of one output, received ", outputs.size(),
                            " outputs of ", inner_->label()));
  }

  const NameOptions options_;
  const std::shared_ptr<LayerBase> inner_;
};

}  // namespace

Layer make_TimeDistributed(Fields& fields) {
  auto arguments = fields.all<TimeDistributedArguments>();
  Layer layer = Fields::with_place(fields.place() + ".layer",
                                   [&] { return layer_from_config(arguments.layer); });
  return Layer(std::make_shared<TimeDistributedLayer>(std::move(arguments.options), layer));
}

}  // namespace layers

Layer TimeDistributed(Layer layer, NameOptions options) {
  if (layer.base() == nullptr) {
    throw ValueError("TimeDistributed: expected a layer, received one that was moved from");
  }
  return Layer(std::make_shared<layers::TimeDistributedLayer>(std::move(options), layer));
}

}  // namespace stoker

// Bidirectional (Schuster, Paliwal 1997).
#include <algorithm>
#include <array>
#include <string_view>

#include "layers/fields.h"
#include "layers/recurrent/recurrent_layer.h"
#include "layers/registry.h"
#include "ops/common.h"
#include "stoker/error.h"

namespace stoker {
namespace layers {
namespace {

using graph::Expr;
using graph::Value;

struct BidirectionalArguments {
  std::string name{};
  std::string dtype{};
  std::optional<std::string> merge_mode = "concat";
  Config layer{};
  Config backward_layer{};
};

void describe(Fields& fields, BidirectionalArguments& arguments) {
  describe_common(fields, arguments);
  fields("merge_mode", arguments.merge_mode);
  fields.required("layer", arguments.layer);
  fields("backward_layer", arguments.backward_layer);
}

std::shared_ptr<RecurrentLayer> recurrent_of(const Layer& layer) {
  auto recurrent = std::dynamic_pointer_cast<RecurrentLayer>(layer.base());
  if (recurrent == nullptr) {
    throw ValueError(
        format("Bidirectional: expected a recurrent layer, such as LSTM, received ",
               layer.base() == nullptr ? "one that was moved from" : layer.base()->label()));
  }
  return recurrent;
}

// The layer made anew, as Keras does, with other arguments.
Layer remade(const RecurrentLayer& layer, const char* prefix, bool go_backwards) {
  const Config all = layer.config();
  Config own = all.at("config");
  const std::string base = layer.name().empty() ? snake_case(layer.class_name()) : layer.name();
  own.set("name", base.starts_with(prefix) ? base : prefix + base);
  own.set("go_backwards", go_backwards);
  return layer_from_config(layer.class_name(), own);
}

// As in Keras, outputs of steps that don't count are 0 where all steps are returned.
std::shared_ptr<RecurrentLayer> direction(const Layer& layer) {
  const std::shared_ptr<RecurrentLayer> one = recurrent_of(layer);
  one->set_zero_output_for_mask(one->options().return_sequences);
  return one;
}

class BidirectionalLayer final : public LayerBase {
 public:
  BidirectionalLayer(BidirectionalArguments arguments, std::shared_ptr<RecurrentLayer> forward,
                     std::shared_ptr<RecurrentLayer> backward)
      : LayerBase("Bidirectional", arguments.name, arguments.dtype),
        arguments_(std::move(arguments)),
        forward_(std::move(forward)),
        backward_(std::move(backward)) {
    supports_masking = true;
    argument_of_others = "initial_state";
    check();
  }

  std::vector<Child> children() const override {
    return {{forward_->name(), forward_, "forward_layer"},
            {backward_->name(), backward_, "backward_layer"}};
  }

  void write_fields(Fields& fields) const override {
    BidirectionalArguments arguments = arguments_;
    arguments.name = name();
    arguments.layer = forward_->config();
    arguments.backward_layer = backward_->config();
    describe(fields, arguments);
  }

  std::vector<MaskedValue> build(BuildContext& context,
                                 std::span<const MaskedValue> inputs) override {
    const std::size_t states = forward_->state_count() + backward_->state_count();
    if (inputs.size() != 1 && inputs.size() != 1 + states) {
      throw ShapeError(format(label(), ": expected a sequence, or a sequence and ", states,
                              " states, received ", inputs.size(), " values"));
    }
    std::vector<MaskedValue> of_forward{inputs[0]}, of_backward{inputs[0]};
    for (std::size_t i = 1; i < inputs.size(); ++i) {
      (i <= forward_->state_count() ? of_forward : of_backward).push_back(inputs[i]);
    }
    // Both give their outputs in the order of the input, so that there is none to turn around.
    std::vector<MaskedValue> a, b;
    context.within(*forward_, 0, [&] { a = forward_->take(context, of_forward, true); });
    context.within(*backward_, 0, [&] { b = backward_->take(context, of_backward, true); });
    std::vector<MaskedValue> outputs;
    if (arguments_.merge_mode) {
      outputs.push_back({context.to_compute(merged(a[0].value, b[0].value)), a[0].mask});
    } else {
      outputs = {a[0], b[0]};
    }
    outputs.insert(outputs.end(), a.begin() + 1, a.end());
    outputs.insert(outputs.end(), b.begin() + 1, b.end());
    return outputs;
  }

 private:
  void check() const {
    constexpr std::array<std::string_view, 4> kModes{"concat", "sum", "mul", "ave"};
    const std::optional<std::string>& mode = arguments_.merge_mode;
    if (mode && std::ranges::find(kModes, *mode) == kModes.end()) {
      throw ValueError(format(label(),
                              ": expected a merge_mode of \"concat\", \"sum\", \"mul\", "
                              "\"ave\" or none, received \"",
                              *mode, "\"", did_you_mean(*mode, kModes)));
    }
    const RecurrentOptions& a = forward_->options();
    const RecurrentOptions& b = backward_->options();
    const auto name_of = [](bool value) { return value ? "true" : "false"; };
    if (a.go_backwards == b.go_backwards) {
      throw ValueError(format(label(), ": expected layers whose go_backwards differ, received ",
                              name_of(a.go_backwards), " for both"));
    }
    const auto require_equal = [&](const char* option, bool one, bool other) {
      if (one == other) return;
      throw ValueError(format(label(), ": expected the same ", option,
                              " for both layers, received ", name_of(one), " and ",
                              name_of(other)));
    };
    require_equal("return_sequences", a.return_sequences, b.return_sequences);
    require_equal("stateful", a.stateful, b.stateful);
    require_equal("return_state", a.return_state, b.return_state);
  }

  Value merged(Value a, Value b) const {
    const std::string& mode = *arguments_.merge_mode;
    if (mode == "concat") return ops::concatenate({a, b}, -1);
    if (mode == "sum") return ops::add(a, b);
    if (mode == "mul") return ops::multiply(a, b);
    return ops::map(a, b, [](Expr x, Expr y) { return (x + y) * 0.5f; });
  }

  const BidirectionalArguments arguments_;
  const std::shared_ptr<RecurrentLayer> forward_, backward_;
};

}  // namespace

Layer make_Bidirectional(Fields& fields) {
  auto arguments = fields.all<BidirectionalArguments>();
  const auto read = [&](const char* key, const Config& config) {
    return Fields::with_place(format(fields.place(), ".", key),
                              [&] { return direction(layer_from_config(config)); });
  };
  const auto forward = read("layer", arguments.layer);
  const auto backward = arguments.backward_layer.is_null()
                            ? direction(remade(*forward, "backward_", true))
                            : read("backward_layer", arguments.backward_layer);
  return Layer(std::make_shared<BidirectionalLayer>(std::move(arguments), forward, backward));
}

}  // namespace layers

Layer Bidirectional(Layer layer, BidirectionalOptions options) {
  const auto given = layers::recurrent_of(layer);
  const auto forward =
      layers::direction(layers::remade(*given, "forward_", given->options().go_backwards));
  const auto backward = layers::direction(
      options.backward_layer ? *options.backward_layer : layers::remade(*given, "backward_", true));
  return Layer(std::make_shared<layers::BidirectionalLayer>(
      layers::BidirectionalArguments{options.name, options.dtype, options.merge_mode, {}, {}},
      forward, backward));
}

}  // namespace stoker

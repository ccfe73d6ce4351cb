#include "train/runtime/output_advice.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <utility>

#include "core/format.h"
#include "losses/loss.h"
#include "train/network/model_layer.h"

namespace stoker::train {
namespace {

// The layer that gives an output its range, and what it ends in.
struct Ending {
  const Topology* topology;
  const Call* call;
  std::string activation;  // "softmax"
};

bool is_one_of(std::string_view name, std::span<const std::string_view> names) {
  return std::ranges::find(names, name) != names.end();
}

// Layers whose outputs lie between the smallest and the largest of their inputs, or are 0.
constexpr std::array<std::string_view, 27> kKeepsRange{"ActivityRegularization",
                                                       "SpatialDropout2D",
                                                       "SpatialDropout3D",
                                                       "AlphaDropout",
                                                       "AveragePooling1D",
                                                       "AveragePooling2D",
                                                       "AveragePooling3D",
                                                       "Cropping1D",
                                                       "Cropping2D",
                                                       "Cropping3D",
                                                       "Dropout",
                                                       "Flatten",
                                                       "GlobalAveragePooling1D",
                                                       "GlobalAveragePooling2D",
                                                       "GlobalAveragePooling3D",
                                                       "GlobalMaxPooling1D",
                                                       "GlobalMaxPooling2D",
                                                       "GlobalMaxPooling3D",
                                                       "Identity",
                                                       "MaxPooling1D",
                                                       "MaxPooling2D",
                                                       "MaxPooling3D",
                                                       "Masking",
                                                       "Permute",
                                                       "RepeatVector",
                                                       "Reshape",
                                                       "SpatialDropout1D"};
// Layers whose sums have any sign where no activation follows.
constexpr std::array<std::string_view, 12> kSums{
    "Dense",           "Conv1D",          "Conv2D",          "Conv3D",
    "Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose", "DepthwiseConv1D",
    "DepthwiseConv2D", "SeparableConv1D", "SeparableConv2D", "EinsumDense"};
// Activation functions between 0 and 1.
constexpr std::array<std::string_view, 5> kBetween0And1{"softmax", "sigmoid", "hard_sigmoid",
                                                        "sparsemax", "sparse_sigmoid"};

// Returns where the range of an output comes from, or nothing where this does not tell.
std::optional<Ending> ending_of(const Topology& topology, ValueRef output) {
  const Call* call = &topology.calls()[output.call];
  while (true) {
    const layers::LayerBase& layer = *call->layer;
    if (const auto* model = dynamic_cast<const ModelLayer*>(&layer)) {
      const Topology& inner = model->topology();
      return ending_of(inner, inner.outputs()[output.output]);
    }
    const bool has_activation =
        layer.class_name() == "Activation" || is_one_of(layer.class_name(), kSums);
    if (has_activation) {
      const Config config = layer.config();
      const Config* given = config.at("config").find("activation");
      std::string name = given != nullptr && given->is_string() ? given->string() : "linear";
      if (given != nullptr && !given->is_string() && !given->is_null()) return std::nullopt;
      if (name != "linear" || layer.class_name() != "Activation") {
        return Ending{&topology, call, std::move(name)};
      }
    } else if (layer.class_name() == "Softmax") {
      return Ending{&topology, call, "softmax"};
    } else if (!is_one_of(layer.class_name(), kKeepsRange)) {
      return std::nullopt;
    }
    if (call->inputs.size() != 1) return std::nullopt;
    output = call->inputs[0];
    call = &topology.calls()[output.call];
  }
}

// A cross-entropy, by the activation that belongs to it.
struct CrossEntropy {
  std::string_view class_name;
  std::string_view activation;
};
constexpr std::array kCrossEntropies{
    CrossEntropy{"BinaryCrossentropy", "sigmoid"},
    CrossEntropy{"BinaryFocalCrossentropy", "sigmoid"},
    CrossEntropy{"CategoricalCrossentropy", "softmax"},
    CrossEntropy{"CategoricalFocalCrossentropy", "softmax"},
    CrossEntropy{"SparseCategoricalCrossentropy", "softmax"},
};

std::string advice_on_loss(const Loss& loss, const Ending& ending) {
  const Config config = loss.config();
  const std::string& class_name = config.at("class_name").string();
  const auto found = std::ranges::find(kCrossEntropies, class_name, &CrossEntropy::class_name);
  if (found == kCrossEntropies.end()) return {};
  const Config* from_logits = config.at("config").find("from_logits");
  const bool expects_logits = from_logits != nullptr && from_logits->boolean();
  const bool is_probability = is_one_of(ending.activation, kBetween0And1);
  if (expects_logits != is_probability) return {};
  const std::string label = ending.topology->label_of(*ending.call->layer);
  if (expects_logits) {
    return format("the loss ", class_name, " has from_logits, and ", label, " ends in ",
                  ending.activation,
                  ", so that its outputs go through one twice. Leave one of them out");
  }
  return format("the loss ", class_name, " expects probabilities, and ", label,
                " gives values of any size (its activation is ", ending.activation,
                "). Give the loss {.from_logits = true}, or the layer the activation \"",
                found->activation, "\"");
}

}  // namespace

std::vector<std::string> advice_on_outputs(const Compiled& compiled, const Network& network) {
  std::vector<std::string> advice;
  const Topology& topology = network.topology();
  for (std::size_t i = 0; i < compiled.outputs.size(); ++i) {
    const CompiledOutput& output = compiled.outputs[i];
    if (!output.loss) continue;
    const std::optional<Ending> ending = ending_of(topology, topology.outputs()[i]);
    if (!ending) continue;
    const layers::FlowType& type = ending->call->outputs[0];
    if (ending->activation == "softmax" && type.value.shape.back() == 1) {
      advice.push_back(format("the softmax of ", ending->topology->label_of(*ending->call->layer),
                              " is over a single value, and so is always 1. Use the activation "
                              "\"sigmoid\" for two classes"));
    } else if (std::string text = advice_on_loss(output.loss, *ending); !text.empty()) {
      advice.push_back(std::move(text));
    }
  }
  return advice;
}

}  // namespace stoker::train

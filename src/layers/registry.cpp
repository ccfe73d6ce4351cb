#include "layers/registry.h"

#include <algorithm>
#include <array>

#include "core/registered.h"
#include "layers/layer.h"

namespace stoker {
namespace layers {
namespace {

constexpr std::array kLayerClasses{
#define STOKER_LAYER(name, summary) LayerClass{#name, summary, make_##name},
#include "layers/layers.def"
#undef STOKER_LAYER
};

// Of two classes with one name only the first would ever be found.
constexpr bool names_differ() {
  for (std::size_t i = 0; i < kLayerClasses.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (kLayerClasses[i].name == kLayerClasses[j].name) return false;
    }
  }
  return true;
}
static_assert(names_differ(), "layers.def: two classes of one name");

using MakeOwn = std::function<Layer(const Config&)>;
Registered<MakeOwn>& own_classes() {
  static Registered<MakeOwn> registered("register_layer");
  return registered;
}

}  // namespace

std::span<const LayerClass> layer_classes() { return kLayerClasses; }

bool is_layer_class(std::string_view name) {
  return std::ranges::find(kLayerClasses, name, &LayerClass::name) != kLayerClasses.end();
}

void register_layer_class(const std::string& name, std::function<Layer(const Config&)> make) {
  if (is_layer_class(name)) {
    throw ValueError(
        format("register_layer: \"", name, "\" is the name of one of Stoker's layers"));
  }
  own_classes().add(name, std::move(make));
}

const LayerClass& layer_class(std::string_view name) {
  // Keras's older files have this class under the name in Keras's source.
  if (name == "GroupedQueryAttention") name = "GroupQueryAttention";
  if (name == "StringLookup" || name == "TextVectorization") {
    throw ValueError(
        format(name, " takes texts, and stands before a model here: ", name,
               "::from_config() makes one of this configuration (stoker/text.h), and ",
               "set_vocabulary() takes the lines of the vocabulary.txt that the .keras",
               " file has of it (read_vocabulary()). The model is made of the layers ",
               "behind it, with an Input for what it writes"));
  }
  return class_named("layer", name, kLayerClasses);
}

}  // namespace layers

Layer layer_from_config(const Config& config) {
  const ObjectView object =
      Fields::with_place("layer_from_config", [&] { return object_of(config); });
  return layer_from_config(object.class_name, object.config);
}

Layer layer_from_config(const std::string& class_name, const Config& config) {
  if (class_name == "Functional" || class_name == "Sequential") {
    throw ValueError(format("layer_from_config: expected a layer, received a ", class_name,
                            " model; Model::from_config() makes those"));
  }
  const auto made = [&]() -> Layer {
    if (const auto make = layers::own_classes().find(class_name)) {
      return Fields::with_place(class_name, [&] { return (*make)(config); });
    }
    const layers::LayerClass& found = Fields::with_place(
        "layer_from_config",
        [&]() -> const layers::LayerClass& { return layers::layer_class(class_name); });
    Fields fields = Fields::reading(config, class_name);
    return found.make(fields);
  };
  Layer layer = made();
  const Config* trainable = config.find("trainable");
  if (trainable != nullptr) {
    layer.set_trainable(
        Fields::with_place(class_name + ".trainable", [&] { return trainable->boolean(); }));
  }
  return layer;
}

}  // namespace stoker

// The layer classes that there are, by Keras's names: what a saved model may ask for.
#pragma once

#include <span>
#include <string_view>

namespace stoker::layers {

struct LayerClass {
  std::string_view name;
  std::string_view summary;
};

std::span<const LayerClass> layer_classes();
// The class of that name, or null.
const LayerClass* find_layer_class(std::string_view name);

}  // namespace stoker::layers

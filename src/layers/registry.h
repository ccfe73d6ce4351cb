// The registry holds the layer classes that a configuration may name, by Keras's names.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "core/fields.h"
#include "stoker/layers.h"

namespace stoker::layers {

struct LayerClass {
  std::string_view name;
  std::string_view summary;
  // Makes the layer with these fields.
  Layer (*make)(Fields& fields);
};

// All classes, in the order of layers.def.
std::span<const LayerClass> layer_classes();
// The class with that name. Throws ValueError, with the nearest name, where there is none.
const LayerClass& layer_class(std::string_view name);

// A class of the program's own makes its layer from the whole configuration. Throws ValueError for
// a name that is taken.
void register_layer_class(const std::string& name, std::function<Layer(const Config&)> make);
// Whether Stoker has a class of that name.
bool is_layer_class(std::string_view name);

#define STOKER_LAYER(name, summary) Layer make_##name(Fields& fields);
#include "layers/layers.def"
#undef STOKER_LAYER

}  // namespace stoker::layers

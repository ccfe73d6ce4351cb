// Layers that are made around one other layer.
#pragma once

#include <memory>

#include "layers/layer.h"
#include "stoker/config.h"

namespace stoker::layers {

// The layer as the only part of one that Keras calls a wrapper.
Child wrapped(const std::shared_ptr<LayerBase>& layer);

// The configuration of a layer's part, which has its name there even if it has none of its own.
Config config_of(const Child& part);

}  // namespace stoker::layers

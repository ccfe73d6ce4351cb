// Layers that give the same elements another shape.
#pragma once

#include "stoker/layers/layer.h"
#include "stoker/shape.h"

namespace stoker {

Layer Flatten(NameOptions options = {});
// `target_shape` is without the batch; one extent may be -1.
Layer Reshape(Shape target_shape, NameOptions options = {});

}  // namespace stoker

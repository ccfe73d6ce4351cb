// Layers that prepare inputs.
#pragma once

#include <string>

#include "stoker/layers/layer.h"

namespace stoker {

// y = x * scale + offset.
struct RescalingOptions {
  double offset = 0.0;
  std::string name{};
  std::string dtype{};
};
Layer Rescaling(double scale, RescalingOptions options = {});

}  // namespace stoker

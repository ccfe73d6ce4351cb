// Activation functions as layers.
#pragma once

#include <optional>
#include <string>

#include "stoker/layers/layer.h"

namespace stoker {

Layer Activation(ActivationFunction activation, NameOptions options = {});

// x between the threshold and max_value; negative_slope (x - threshold) below the threshold.
struct ReLUOptions {
  std::optional<double> max_value{};
  double negative_slope = 0.0;
  double threshold = 0.0;
  std::string name{};
  std::string dtype{};
};
Layer ReLU(ReLUOptions options = {});

}  // namespace stoker

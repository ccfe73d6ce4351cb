// Normalisation.
#pragma once

#include <cstdint>
#include <string>

#include "stoker/initializers.h"
#include "stoker/layers/layer.h"

namespace stoker {

struct BatchNormalizationOptions {
  std::int64_t axis = -1;
  double momentum = 0.99;
  double epsilon = 1e-3;
  bool center = true;
  bool scale = true;
  Initializer beta_initializer = "zeros";
  Initializer gamma_initializer = "ones";
  Initializer moving_mean_initializer = "zeros";
  Initializer moving_variance_initializer = "ones";
  Regularizer beta_regularizer{};
  Regularizer gamma_regularizer{};
  std::string name{};
  std::string dtype{};
};
Layer BatchNormalization(BatchNormalizationOptions options = {});

}  // namespace stoker

// Normalisation.
#pragma once

#include <cstdint>
#include <string>

#include "stoker/axes.h"
#include "stoker/constraints.h"
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
  Constraint beta_constraint{};
  Constraint gamma_constraint{};
  std::string name{};
  std::string dtype{};
};
Layer BatchNormalization(BatchNormalizationOptions options = {});

// Gives each sample mean 0 and variance 1 over the axes, then scales by gamma and shifts by beta,
// whose shape are the axes' extents.
struct LayerNormalizationOptions {
  Axes axis = -1;
  double epsilon = 1e-3;
  bool center = true;
  bool scale = true;
  Initializer beta_initializer = "zeros";
  Initializer gamma_initializer = "ones";
  Regularizer beta_regularizer{};
  Regularizer gamma_regularizer{};
  Constraint beta_constraint{};
  Constraint gamma_constraint{};
  std::string name{};
  std::string dtype{};
};
Layer LayerNormalization(LayerNormalizationOptions options = {});

// Divides by the root of the mean square over the axes, and multiplies by the weight `scale`, whose
// shape are the axes' extents.
struct RMSNormalizationOptions {
  Axes axis = -1;
  double epsilon = 1e-6;
  std::string name{};
  std::string dtype{};
};
Layer RMSNormalization(RMSNormalizationOptions options = {});

// Gives each group of channels of each sample mean 0 and variance 1, then scales by gamma and
// shifts by beta. Groups of -1 are as many as there are channels.
struct GroupNormalizationOptions {
  std::int64_t groups = 32;
  std::int64_t axis = -1;
  double epsilon = 1e-3;
  bool center = true;
  bool scale = true;
  Initializer beta_initializer = "zeros";
  Initializer gamma_initializer = "ones";
  Regularizer beta_regularizer{};
  Regularizer gamma_regularizer{};
  Constraint beta_constraint{};
  Constraint gamma_constraint{};
  std::string name{};
  std::string dtype{};
};
Layer GroupNormalization(GroupNormalizationOptions options = {});

// Divides by the L2 norm over the axes.
struct UnitNormalizationOptions {
  Axes axis = -1;
  std::string name{};
  std::string dtype{};
};
Layer UnitNormalization(UnitNormalizationOptions options = {});

// Applies `layer`, whose weight "kernel" (or "embeddings") it divides in each training step by an
// estimate of its largest singular value as a matrix (.., last axis), from as many power iterations
// as given (Miyato et al. 2018). The weight itself takes the divided value before the step uses it,
// as with Keras on TensorFlow and PyTorch, and evaluation and prediction use it as it is. Throws
// ValueError for a layer without such a weight.
struct SpectralNormalizationOptions {
  std::int64_t power_iterations = 1;
  std::string name{};
  std::string dtype{};
};
Layer SpectralNormalization(Layer layer, SpectralNormalizationOptions options = {});

}  // namespace stoker

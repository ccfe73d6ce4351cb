// Activation functions as layers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "stoker/axes.h"
#include "stoker/constraints.h"
#include "stoker/initializers.h"
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

// x above 0, and negative_slope x below.
struct LeakyReLUOptions {
  double negative_slope = 0.3;
  std::string name{};
  std::string dtype{};
};
Layer LeakyReLU(LeakyReLUOptions options = {});

// x above 0, and alpha (e^x - 1) below.
struct ELUOptions {
  double alpha = 1.0;
  std::string name{};
  std::string dtype{};
};
Layer ELU(ELUOptions options = {});

// x above 0, and alpha x below. The weight alpha has the shape of a sample, with extent 1 along the
// shared axes. Those are numbered from 1, because the batch is axis 0 and always shared.
struct PReLUOptions {
  Initializer alpha_initializer = "zeros";
  Regularizer alpha_regularizer{};
  Constraint alpha_constraint{};
  std::vector<std::int64_t> shared_axes{};
  std::string name{};
  std::string dtype{};
};
Layer PReLU(PReLUOptions options = {});

// e^x divided by its sum over the axes, of which none may be the batch. Where the input has a mask,
// which must have the input's rank, masked elements are left out of the sum and give 0.
struct SoftmaxOptions {
  Axes axis = -1;
  std::string name{};
  std::string dtype{};
};
Layer Softmax(SoftmaxOptions options = {});

}  // namespace stoker

// Layers that only act while training.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "stoker/layers/layer.h"
#include "stoker/shape.h"

namespace stoker {

// Sets a share `rate` of the inputs to zero while training and scales the rest by 1 / (1 - rate).
struct DropoutOptions {
  // The shape of the mask: along axes with extent 1 all elements share their mask. It includes the
  // batch extent (-1 keeps it). An empty shape shares nothing.
  Shape noise_shape{};
  std::optional<std::uint64_t> seed{};
  std::string name{};
  std::string dtype{};
};
Layer Dropout(double rate, DropoutOptions options = {});

}  // namespace stoker

#pragma once

#include <string_view>

#include "stoker/shape.h"

namespace stoker::optimizers {

// A weight that is updated, by its path in the model ("encoder/dense/kernel").
struct UpdatedWeight {
  std::string_view path;
  std::string_view model;  // The model's name, which Keras's paths in a Sequential begin with.
  const Shape& shape;
};

}  // namespace stoker::optimizers

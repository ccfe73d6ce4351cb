// The sum of products that layers with a kernel of several axes have in common.
#pragma once

#include <string>
#include <vector>

#include "layers/layer.h"

namespace stoker::layers {

// An equation whose ellipsis has become letters, for an input of known rank.
struct Einsum {
  std::string input, kernel, output;
};
// Throws ValueError for what is no equation, and ShapeError for an input that it does not fit.
Einsum parse_einsum(const LayerBase& layer, const std::string& equation, const Shape& input);

// What a layer with such a kernel is made of.
struct EinsumWeights {
  Shape output;           // the extents of the output's letters, where they are known
  std::string bias_axes;  // none: no bias
  Initializer kernel_initializer{Initializer::Kind::zeros};
  Initializer bias_initializer{Initializer::Kind::zeros};
  Regularizer kernel_regularizer{};
  Regularizer bias_regularizer{};
  Constraint kernel_constraint{};
  Constraint bias_constraint{};
  ActivationFunction activation{};
};
// y = activation(sum of products + bias), with weights "kernel" and "bias".
graph::Value einsum_dense(BuildContext& context, const LayerBase& layer, const Einsum& einsum,
                          graph::Value x, const EinsumWeights& weights);

}  // namespace stoker::layers

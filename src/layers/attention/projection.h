// The projections of attention's inputs and of its output, which are Keras's EinsumDense layers in
// it.
#pragma once

#include <memory>
#include <string>

#include "layers/layer.h"

namespace stoker::layers {

struct ProjectionOptions {
  bool use_bias = true;
  Initializer kernel_initializer;
  Initializer bias_initializer;
  Regularizer kernel_regularizer;
  Regularizer bias_regularizer;
  Regularizer activity_regularizer;
  Constraint kernel_constraint;
  Constraint bias_constraint;
  std::string dtype;
};

// Projects the last `summed` axes to others. What those are is known when the parent is built,
// which sets `outputs` before it calls the layer.
class Projection final : public UnaryLayer {
 public:
  Projection(std::string name, std::size_t summed, const ProjectionOptions& options,
             ActivationFunction activation = {});
  void write_fields(Fields& fields) const override;

  Shape outputs;

 protected:
  graph::Value apply(BuildContext& context, graph::Value x) override;

 private:
  std::string equation(std::size_t rank) const;

  const std::size_t summed_;
  const ProjectionOptions options_;
  const ActivationFunction activation_;
};

// Returns the options of a layer's projections.
template <class Options>
ProjectionOptions projection_options(const Options& options) {
  return {options.use_bias,           options.kernel_initializer, options.bias_initializer,
          options.kernel_regularizer, options.bias_regularizer,   options.activity_regularizer,
          options.kernel_constraint,  options.bias_constraint,    options.dtype};
}

}  // namespace stoker::layers

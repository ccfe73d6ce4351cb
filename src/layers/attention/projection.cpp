#include "layers/attention/projection.h"

#include <utility>

#include "layers/core/einsum_dense.h"
#include "layers/fields.h"

namespace stoker::layers {

namespace {

// So many letters from one on.
std::string letters(char first, std::size_t count) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i) text += static_cast<char>(first + static_cast<int>(i));
  return text;
}

}  // namespace

Projection::Projection(std::string name, std::size_t summed, const ProjectionOptions& options,
                       ActivationFunction activation)
    : UnaryLayer("EinsumDense", std::move(name), options.dtype),
      summed_(summed),
      options_(options),
      activation_(std::move(activation)) {
  supports_masking = true;
}

// Keras's letters: those of the input in order, and behind them those of the outputs.
std::string Projection::equation(std::size_t rank) const {
  const std::string kept = letters('a', rank - summed_);
  const std::string gone = letters(static_cast<char>('a' + static_cast<int>(kept.size())), summed_);
  const std::string made = letters(static_cast<char>('a' + static_cast<int>(rank)), outputs.rank());
  return kept + gone + "," + gone + made + "->" + kept + made;
}

void Projection::write_fields(Fields& fields) const {
  std::string name = this->name(), policy = options_.dtype;
  describe_common(fields, name, policy);
}

graph::Value Projection::apply(BuildContext& context, graph::Value x) {
  const Einsum einsum = parse_einsum(*this, equation(x.shape().rank()), x.shape());
  EinsumWeights weights;
  const std::size_t kept = einsum.output.size() - outputs.rank();
  for (std::size_t axis = 0; axis < kept; ++axis) weights.output.push_back(Shape::kUnknown);
  for (const std::int64_t extent : outputs) weights.output.push_back(extent);
  if (options_.use_bias) weights.bias_axes = einsum.output.substr(kept);
  weights.kernel_initializer = options_.kernel_initializer;
  weights.bias_initializer = options_.bias_initializer;
  weights.kernel_regularizer = options_.kernel_regularizer;
  weights.bias_regularizer = options_.bias_regularizer;
  weights.kernel_constraint = options_.kernel_constraint;
  weights.bias_constraint = options_.bias_constraint;
  weights.activation = activation_;
  const graph::Value y = einsum_dense(context, *this, einsum, x, weights);
  add_activity_loss(context, options_.activity_regularizer, y);
  return y;
}

}  // namespace stoker::layers

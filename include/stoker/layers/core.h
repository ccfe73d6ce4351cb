// The input of a model, products with a matrix, and tables of vectors.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "stoker/constraints.h"
#include "stoker/initializers.h"
#include "stoker/layers/layer.h"
#include "stoker/shape.h"

namespace stoker {

// `shape` is without the batch extent. All batches have `batch_size` samples where it is given,
// which recurrent layers need that keep their states from batch to batch.
struct InputOptions {
  std::string dtype = "float32";  // The type of the batches: "float32", "int32" or "uint8".
  std::string name{};
  std::optional<std::int64_t> batch_size{};
};
Value Input(Shape shape, InputOptions options = {});

// y = activation(x kernel + bias); x (..., in) -> (..., units).
struct DenseOptions {
  ActivationFunction activation{};
  bool use_bias = true;
  Initializer kernel_initializer = "glorot_uniform";
  Initializer bias_initializer = "zeros";
  Regularizer kernel_regularizer{};
  Regularizer bias_regularizer{};
  Regularizer activity_regularizer{};
  Constraint kernel_constraint{};
  Constraint bias_constraint{};
  std::string name{};
  std::string dtype{};
};
Layer Dense(std::int64_t units, DenseOptions options = {});

// Sums products of the input and a kernel over the axes that the output lacks, as the equation
// says: "abc,cd->abd" is a Dense(.., d) on the last axis. "..." at one end of input and output
// stands for the axes that have no letter. The output_shape is that of the output's letters without
// the batch; -1 (Keras's None) stands for an extent that the input tells. The bias has the axes in
// bias_axes, which are letters of the output, and there is none where they are empty.
struct EinsumDenseOptions {
  ActivationFunction activation{};
  std::string bias_axes{};
  Initializer kernel_initializer = "glorot_uniform";
  Initializer bias_initializer = "zeros";
  Regularizer kernel_regularizer{};
  Regularizer bias_regularizer{};
  Regularizer activity_regularizer{};
  Constraint kernel_constraint{};
  Constraint bias_constraint{};
  std::string name{};
  std::string dtype{};
};
Layer EinsumDense(std::string equation, Shape output_shape, EinsumDenseOptions options = {});

// Looks up a row of the table (input_dim, output_dim) for each id: x (...) -> (..., output_dim).
// Ids are whole numbers in [0, input_dim), int32, uint8 or float32 (truncated). Any other id ends
// the step with a DataError that names it, before any weight has changed. With mask_zero the id 0
// stands for no word: the output gets a mask, and layers that use masks leave such steps out.
struct EmbeddingOptions {
  Initializer embeddings_initializer = "uniform";
  Regularizer embeddings_regularizer{};
  Regularizer activity_regularizer{};
  Constraint embeddings_constraint{};
  bool mask_zero = false;
  std::string name{};
  std::string dtype{};
};
Layer Embedding(std::int64_t input_dim, std::int64_t output_dim, EmbeddingOptions options = {});

// An Embedding that also goes back: called with CallOptions::reverse it maps vectors (...,
// output_dim) to a number for each id (..., input_dim), by the table's transpose or, unless
// tie_weights, by a matrix of its own (output_dim, input_dim). With a logit_soft_cap these numbers
// are cap * tanh(number / cap). They are computed in reverse_dtype ("float32", "bfloat16" or
// "float16"), or in the layer's compute type.
//   Layer embedding = ReversibleEmbedding(vocabulary, 64);
//   Value vectors = embedding(ids);
//   Value logits = embedding(decoder(vectors), {.reverse = true});
struct ReversibleEmbeddingOptions {
  bool tie_weights = true;
  Initializer embeddings_initializer = "uniform";
  Regularizer embeddings_regularizer{};
  Regularizer activity_regularizer{};
  Constraint embeddings_constraint{};
  bool mask_zero = false;
  std::optional<std::string> reverse_dtype{};
  std::optional<double> logit_soft_cap{};
  std::string name{};
  std::string dtype{};
};
Layer ReversibleEmbedding(std::int64_t input_dim, std::int64_t output_dim,
                          ReversibleEmbeddingOptions options = {});

// Maps x (..., features) to x with zeros in the steps whose features all equal `mask_value`, and
// gives it a mask that leaves these steps out.
struct MaskingOptions {
  double mask_value = 0.0;
  std::string name{};
  std::string dtype{};
};
Layer Masking(MaskingOptions options = {});

// Returns its input.
Layer Identity(NameOptions options = {});

}  // namespace stoker

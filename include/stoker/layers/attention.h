// Attention: means of values, weighed by how well their keys fit a query.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "stoker/axes.h"
#include "stoker/constraints.h"
#include "stoker/initializers.h"
#include "stoker/layers/layer.h"
#include "stoker/shape.h"

namespace stoker {

// These layers take a query (batch, queries, ..), a value (batch, keys, ..) and a key (batch, keys,
// ..), which is the value where it is left out, in this order: MultiHeadAttention(8, 64)({x, x}).
// CallOptions has the options of a call: a causal mask, masks, and the weights as a second output,
// which call() returns. Masks of the inputs count, and the output has the query's. Unless there is
// an attention_mask, or the weights are asked for, the matrix of all weights is never in memory.

// Attention of one head, without weights but a scale: softmax(query key^T) value. The score_mode is
// "dot", or "concat" for a sum of tanh(query + key). Query and key have one last extent.
struct AttentionOptions {
  bool use_scale = false;  // Scores are multiplied by a weight.
  std::string score_mode = "dot";
  double dropout = 0.0;  // of the weights that keys are given
  std::optional<std::uint64_t> seed{};
  std::string name{};
  std::string dtype{};
};
Layer Attention(AttentionOptions options = {});

// The same with scores that are a sum of scale * tanh(query + key), where scale is a weight for
// each feature.
struct AdditiveAttentionOptions {
  bool use_scale = true;
  double dropout = 0.0;
  std::optional<std::uint64_t> seed{};
  std::string name{};
  std::string dtype{};
};
Layer AdditiveAttention(AdditiveAttentionOptions options = {});

// Several heads, each on projections of its own of query and key to key_dim features and of the
// value to value_dim (key_dim unless given), projected back to output_shape (the query's last
// extent unless given). Inputs may have more axes; those of attention_axes, all but the first and
// the last unless given, are attended over, and the others hold separate sequences. With a
// sliding_window a query sees keys fewer than so many places away. With use_gate each head is
// multiplied by a sigmoid of a projection of the query.
struct MultiHeadAttentionOptions {
  std::optional<std::int64_t> value_dim{};
  double dropout = 0.0;
  bool use_bias = true;
  Shape output_shape{};
  std::optional<Axes> attention_axes{};
  std::optional<std::int64_t> sliding_window{};
  Initializer kernel_initializer = "glorot_uniform";
  Initializer bias_initializer = "zeros";
  Regularizer kernel_regularizer{};
  Regularizer bias_regularizer{};
  Regularizer activity_regularizer{};
  Constraint kernel_constraint{};
  Constraint bias_constraint{};
  bool use_gate = false;
  std::optional<std::uint64_t> seed{};
  std::string name{};
  std::string dtype{};
};
Layer MultiHeadAttention(std::int64_t num_heads, std::int64_t key_dim,
                         MultiHeadAttentionOptions options = {});

// Attention in which several heads of queries share a head of keys and values: num_query_heads is a
// multiple of num_key_value_heads.
struct GroupQueryAttentionOptions {
  double dropout = 0.0;
  bool use_bias = true;
  std::optional<std::int64_t> sliding_window{};
  Initializer kernel_initializer = "glorot_uniform";
  Initializer bias_initializer = "zeros";
  Regularizer kernel_regularizer{};
  Regularizer bias_regularizer{};
  Regularizer activity_regularizer{};
  Constraint kernel_constraint{};
  Constraint bias_constraint{};
  bool use_gate = false;
  std::optional<std::uint64_t> seed{};
  std::string name{};
  std::string dtype{};
};
Layer GroupQueryAttention(std::int64_t head_dim, std::int64_t num_query_heads,
                          std::int64_t num_key_value_heads,
                          GroupQueryAttentionOptions options = {});

}  // namespace stoker

// What layers of attention have in common: which keys a query sees, and the mean of values that it
// gives.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "layers/layer.h"

namespace stoker::layers {

// The inputs of a call.
struct AttentionInputs {
  MaskedValue query, value, key;
  bool has_own_key = false;
  graph::Value attention_mask{};
};
// Takes the inputs of a call apart. Masks by name take the place of the inputs' own. Throws
// ShapeError where there are not two or three inputs.
AttentionInputs attention_inputs(const LayerBase& layer, const BuildContext& context,
                                 std::span<const MaskedValue> inputs);

// How values are weighed.
struct Weighing {
  double scale = 1.0;
  bool causal = false;
  std::int64_t window = 0;  // 0: none
  ops::BlindQuery blind = ops::BlindQuery::mean;
  double dropout = 0.0;  // 0 where the layer does not train
  std::uint32_t stream = 0;
  graph::Value query_mask{};      // (batch, queries)
  graph::Value key_mask{};        // (batch, keys)
  graph::Value attention_mask{};  // (batch, queries, keys), or with heads behind the batch
};

struct Weighed {
  graph::Value y;        // (batch, queries, heads, features)
  graph::Value weights;  // (batch, heads, queries, keys), where they were asked for
};

// The means of value (batch, keys, key heads, features) for query (batch, queries, heads, key_dim)
// and key (batch, keys, key heads, key_dim). The weights are in memory only where they are asked
// for, or where there is an attention_mask.
Weighed weigh(graph::Value query, graph::Value key, graph::Value value, const Weighing& weighing,
              bool returns_weights);
// The same with scores (batch, heads, queries, keys) that are there already.
Weighed weigh_by_scores(graph::Value scores, graph::Value value, const Weighing& weighing);

// The product of both masks, each of which may be missing.
graph::Value both_masks(graph::Value a, graph::Value b);

}  // namespace stoker::layers

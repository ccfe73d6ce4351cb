// Parameters of the kernels of ops attention and attention_backward.
#pragma once

#include <cstdint>

#include "backend/cuda/kernels/kernel.h"
#include "backend/cuda/kernels/tiling.h"
#include "stoker/detail/host_device.h"

namespace stoker::backend::cuda {

// What both passes have in common: query [batch, queries, heads, key_dim], key [batch, keys,
// key_heads, key_dim], value [batch, keys, key_heads, value_dim], see ops::attention. Masks may be
// null.
struct AttentionShared {
  const void* query = {};
  const void* key = {};
  const void* value = {};
  const float* query_mask = {};
  const float* key_mask = {};
  const plan::Scalars* scalars = {};
  std::int32_t batch = {}, queries = {}, keys = {}, heads = {}, key_heads = {};
  std::int32_t key_dim = {}, value_dim = {};
  float scale = {}, dropout = {};
  std::uint32_t stream = {};
  std::int32_t causal = {}, window = {};
  std::int32_t blind_is_mean = {}, blind_has_gradient = {};
  Element element = {};  // of all tensors but masks and logarithms
};

struct attention_params {
  AttentionShared in = {};
  void* y = {};
  float* logarithms = {};  // [batch, heads, queries]
};
Grid grid_of(const attention_params& params);
const Kernel& kernel_of(const attention_params& params);

struct attention_backward_params {
  AttentionShared in = {};
  const void* dy = {};
  const void* y = {};
  const float* logarithms = {};
  void* dquery = {};
  void* dkey = {};
  void* dvalue = {};
};
Grid grid_of(const attention_backward_params& params);
const Kernel& kernel_of(const attention_backward_params& params);

// The tiles of the gradients: those of queries come first, then those of keys and of values. A tile
// is kTile rows of one head and kTile features.
struct AttentionTiles {
  std::int64_t queries, keys, values;

  STOKER_HOST_DEVICE constexpr std::int64_t total() const { return queries + keys + values; }
};
STOKER_HOST_DEVICE constexpr AttentionTiles attention_tiles(const AttentionShared& p) {
  const std::int64_t of_queries = divide_up(p.queries, kTile) * p.heads * p.batch;
  const std::int64_t of_keys = divide_up(p.keys, kTile) * p.key_heads * p.batch;
  return {of_queries * divide_up(p.key_dim, kTile), of_keys * divide_up(p.key_dim, kTile),
          of_keys * divide_up(p.value_dim, kTile)};
}

}  // namespace stoker::backend::cuda

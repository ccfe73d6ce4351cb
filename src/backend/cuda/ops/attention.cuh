// Attention by tiles of kTile queries and keys (Dao et al.: "FlashAttention", 2022, algorithms 1 and
// 4), so that no weights are ever in global memory. A thread has the scores of 4 queries and 4 keys,
// and the 16 threads of a row tell each other its maximum and sum. A block computes kTile features
// of the result; the scores are computed again for others.
#pragma once

#include "backend/cuda/kernels/elements.cuh"
#include "backend/cuda/kernels/philox.cuh"
#include "backend/cuda/kernels/product_tiles.cuh"
#include "backend/cuda/ops/attention.h"

namespace stoker::backend::cuda {

// Weights or slopes of a tile, by the depth along which they are summed up next.
using WeightTile = float[kTile][kTile + 4];

// The element of a tensor of any type, as a float.
__device__ __forceinline__ float element_at(const void* from, Element element, std::int64_t at) {
  if (element == Element::float32) return static_cast<const float*>(from)[at];
  if (element == Element::bfloat16) return to_float(static_cast<const Bfloat16*>(from)[at]);
  return to_float(static_cast<const Float16*>(from)[at]);
}
__device__ __forceinline__ void put_element(void* to, Element element, std::int64_t at,
                                            float value) {
  if (element == Element::float32) {
    static_cast<float*>(to)[at] = value;
  } else if (element == Element::bfloat16) {
    put(value, static_cast<Bfloat16*>(to)[at]);
  } else {
    put(value, static_cast<Float16*>(to)[at]);
  }
}

// The rows of one head of a tensor [batch, steps, heads, features].
struct HeadRows {
  const void* from;
  Element element;
  std::int64_t first;
  int step, rows, columns;

  __device__ float at(int row, int column) const {
    if (row >= rows || column >= columns) return 0.0f;
    return element_at(from, element, first + row * step + column);
  }
  // Loads kTile rows with the depth along the columns. Both loads are loops, because four addresses
  // at a time, beside scores and sums, take more registers than a thread has.
  __device__ void load_along_columns(MatrixTile& tile, int first_row, int first_column) const {
    STOKER_NO_UNROLL for (int j = 0; j < kTile * kTileDepth / kBlockThreads; ++j) {
      const int e = static_cast<int>(threadIdx.x) + j * kBlockThreads;
      tile[e % kTileDepth][e / kTileDepth] =
          at(first_row + e / kTileDepth, first_column + e % kTileDepth);
    }
  }
  // Loads kTile columns with the depth along the rows.
  __device__ void load_along_rows(MatrixTile& tile, int first_row, int first_column) const {
    STOKER_NO_UNROLL for (int j = 0; j < kTile * kTileDepth / kBlockThreads; ++j) {
      const int e = static_cast<int>(threadIdx.x) + j * kBlockThreads;
      tile[e / kTile][e % kTile] = at(first_row + e / kTile, first_column + e % kTile);
    }
  }
};

__device__ __forceinline__ HeadRows rows_of_head(const void* from, Element element, int sample,
                                                 int steps, int heads, int head, int features) {
  const int step = heads * features;
  return {from,  element, static_cast<std::int64_t>(sample) * steps * step + head * features, step,
          steps, features};
}

// One head of queries, and its head of keys and values.
struct AttentionHead {
  const AttentionShared& p;
  int sample, head;

  __device__ HeadRows queries() const {
    return rows_of_head(p.query, p.element, sample, p.queries, p.heads, head, p.key_dim);
  }
  // Another tensor of y's shape.
  __device__ HeadRows results(const void* of) const {
    return rows_of_head(of, p.element, sample, p.queries, p.heads, head, p.value_dim);
  }
  __device__ HeadRows keys() const {
    return rows_of_head(p.key, p.element, sample, p.keys, p.key_heads, key_head(), p.key_dim);
  }
  __device__ HeadRows values() const {
    return rows_of_head(p.value, p.element, sample, p.keys, p.key_heads, key_head(), p.value_dim);
  }
  __device__ int key_head() const { return head / (p.heads / p.key_heads); }
  __device__ std::int64_t row(int query) const {
    return (static_cast<std::int64_t>(sample) * p.heads + head) * p.queries + query;
  }

  __device__ bool sees(int query, int key) const {
    if (query >= p.queries || key >= p.keys) return false;
    const int distance = query - key;
    if (p.causal != 0 && distance < 0) return false;
    if (p.window > 0 && (distance < 0 ? -distance : distance) >= p.window) return false;
    if (p.query_mask != nullptr && p.query_mask[sample * p.queries + query] == 0.0f) return false;
    return p.key_mask == nullptr || p.key_mask[sample * p.keys + key] != 0.0f;
  }
  // Whether no query of a tile sees a key of another one.
  __device__ bool is_out_of_sight(int first_query, int first_key) const {
    const int last_query = first_query + kTile - 1, last_key = first_key + kTile - 1;
    if (p.causal != 0 && first_key > last_query) return true;
    return p.window > 0 &&
           (first_key - last_query >= p.window || first_query - last_key >= p.window);
  }
  // Whether a query may see no key at all and give the mean of all values.
  __device__ bool may_be_mean() const {
    return p.blind_is_mean != 0 &&
           (p.query_mask != nullptr || p.key_mask != nullptr || p.window > 0);
  }
  // The factor by which dropout multiplies a weight: 0 or more, and below that, 1 less than its
  // negative, where the query does not see the key. There is no weight beyond the last one.
  __device__ float factor(int query, int key) const {
    if (query >= p.queries || key >= p.keys) return -1.0f;
    float kept = 1.0f;
    if (p.dropout > 0.0f) {
      const auto element = static_cast<unsigned long long>(row(query) * p.keys + key);
      kept = uniform(element, p.stream, p.scalars) < p.dropout ? 0.0f : 1.0f / (1.0f - p.dropout);
    }
    return sees(query, key) ? kept : -1.0f - kept;
  }
};

// The tiles that all products of a block go through.
struct AttentionTileMemory {
  MatrixTile a, b;
  WeightTile weights;
};

// A thread's place: its rows and columns of a tile.
struct ThreadPlace {
  int row = static_cast<int>(threadIdx.x) / (kTile / 4) * 4;
  int column = static_cast<int>(threadIdx.x) % (kTile / 4) * 4;
};

// The products of rows of `a` and rows of `b`.
__device__ __forceinline__ ThreadTile products_of_rows(const HeadRows& a, const HeadRows& b,
                                                       int first_a, int first_b,
                                                       AttentionTileMemory& memory) {
  const ThreadPlace place;
  ThreadTile tile{};
  for (int depth = 0; depth < a.columns; depth += kTileDepth) {
    a.load_along_columns(memory.a, first_a, depth);
    b.load_along_columns(memory.b, first_b, depth);
    __syncthreads();
    tile.add_product(memory.a, memory.b, place.row, place.column);
    __syncthreads();
  }
  return tile;
}

// Adds the product of the weights, which are stored by depth, and rows.
__device__ __forceinline__ void add_weighed_rows(ThreadTile& sum, const HeadRows& rows,
                                                 int first_row, int first_column,
                                                 AttentionTileMemory& memory) {
  const ThreadPlace place;
  for (int depth = 0; depth < kTile; depth += kTileDepth) {
    rows.load_along_rows(memory.b, first_row + depth, first_column);
    __syncthreads();
    sum.add_product(*reinterpret_cast<const MatrixTile*>(&memory.weights[depth]), memory.b,
                    place.row, place.column);
    __syncthreads();
  }
}

// Writes a thread's part of a tile to rows of the same form.
__device__ __forceinline__ void write_rows(const ThreadTile& tile, void* to, const HeadRows& rows,
                                           int first_row, int first_column) {
  STOKER_UNROLL for (int i = 0; i < 4; ++i) {
    STOKER_UNROLL for (int j = 0; j < 4; ++j) {
      const int row = first_row + i, column = first_column + j;
      if (row >= rows.rows || column >= rows.columns) continue;
      put_element(to, rows.element, rows.first + row * rows.step + column, tile.rows[i].at[j]);
    }
  }
}

enum class AttentionGradient : std::uint8_t { queries, keys, values };

// Where the weight of a query and a key lies: by key, for what is summed up over keys, or by query.
template <bool kByKey>
__device__ __forceinline__ float& slot_of(WeightTile& weights, int query, int key) {
  return kByKey ? weights[key][query] : weights[query][key];
}

// Puts the factors of a thread's weights where the weights will lie. It is a loop, because the masks
// and random numbers of 16 of them at a time take more registers than a thread has.
template <bool kByKey>
__device__ __forceinline__ void put_factors(const AttentionHead& head, int first_query,
                                            int first_key, WeightTile& weights) {
  const ThreadPlace place;
  STOKER_NO_UNROLL for (int e = 0; e < 16; ++e) {
    const int query = place.row + e / 4, key = place.column + e % 4;
    slot_of<kByKey>(weights, query, key) = head.factor(first_query + query, first_key + key);
  }
}

// ---- Forwards -----------------------------------------------------------------------------------
// What a thread knows of its 4 queries.
struct QuerySums {
  float largest[4], total[4];
};

// Turns scores into exponentials in shared memory, by key, and corrects what was gathered before.
__device__ __forceinline__ void exponentials(const AttentionHead& head, const ThreadTile& scores,
                                             int first_query, int first_key, QuerySums& sums,
                                             ThreadTile& gathered, WeightTile& weights) {
  const ThreadPlace place;
  const WarpTeam team(kTile / 4);
  put_factors<true>(head, first_query, first_key, weights);
  STOKER_UNROLL for (int i = 0; i < 4; ++i) {
    float score[4];
    float largest = sums.largest[i];
    STOKER_UNROLL for (int j = 0; j < 4; ++j) {
      const bool sees = weights[place.column + j][place.row + i] >= 0.0f;
      score[j] = sees ? scores.rows[i].at[j] * head.p.scale : -INFINITY;
      largest = fmaxf(largest, score[j]);
    }
    largest = team.reduce(largest, Largest());
    float total = 0.0f;
    STOKER_UNROLL for (int j = 0; j < 4; ++j) {
      const float weight = score[j] == -INFINITY ? 0.0f : expf(score[j] - largest);
      total += weight;
      weights[place.column + j][place.row + i] *= weight;
    }
    const float factor = sums.largest[i] == -INFINITY ? 0.0f : expf(sums.largest[i] - largest);
    sums.total[i] = sums.total[i] * factor + team.reduce(total, Sum());
    sums.largest[i] = largest;
    STOKER_UNROLL for (int j = 0; j < 4; ++j) gathered.rows[i].at[j] *= factor;
  }
}

// Adds the mean of all values to queries that have seen no key.
__device__ __forceinline__ void add_means(const AttentionHead& head, const QuerySums& sums,
                                          int first_query, int first_feature, ThreadTile& gathered,
                                          AttentionTileMemory& memory) {
  const ThreadPlace place;
  bool is_any_blind = false;
  STOKER_UNROLL for (int i = 0; i < 4; ++i) {
    const bool is_blind = sums.total[i] == 0.0f && first_query + place.row + i < head.p.queries;
    is_any_blind = is_any_blind || is_blind;
  }
  if (__syncthreads_or(is_any_blind ? 1 : 0) == 0) return;
  const float weight = 1.0f / static_cast<float>(head.p.keys);
  for (int first_key = 0; first_key < head.p.keys; first_key += kTile) {
    put_factors<true>(head, first_query, first_key, memory.weights);
    STOKER_UNROLL for (int i = 0; i < 4; ++i) {
      STOKER_UNROLL for (int j = 0; j < 4; ++j) {
        float& slot = memory.weights[place.column + j][place.row + i];
        slot = sums.total[i] == 0.0f ? weight * (-1.0f - slot) : 0.0f;
      }
    }
    __syncthreads();
    add_weighed_rows(gathered, head.values(), first_key, first_feature, memory);
  }
}

STOKER_KERNEL(attention) {
  __shared__ AttentionTileMemory memory;
  const ThreadPlace place;
  const AttentionShared& in = p.in;
  const std::int64_t blocks = divide_up(in.queries, kTile);
  const std::int64_t chunks = divide_up(in.value_dim, kTile);
  const std::int64_t count = blocks * chunks * in.heads * in.batch;
  for (std::int64_t i = blockIdx.x; i < count; i += gridDim.x) {
    const auto chunk = static_cast<int>(i % chunks);
    const auto first_query = static_cast<int>(i / chunks % blocks) * kTile;
    const auto number = static_cast<int>(i / (chunks * blocks));
    const AttentionHead head{in, number / in.heads, number % in.heads};
    QuerySums sums;
    ThreadTile gathered{};
    STOKER_UNROLL for (int r = 0; r < 4; ++r) {
      sums.largest[r] = -INFINITY;
      sums.total[r] = 0.0f;
    }
    for (int first_key = 0; first_key < in.keys; first_key += kTile) {
      if (head.is_out_of_sight(first_query, first_key)) continue;
      const ThreadTile scores =
          products_of_rows(head.queries(), head.keys(), first_query, first_key, memory);
      exponentials(head, scores, first_query, first_key, sums, gathered, memory.weights);
      __syncthreads();
      add_weighed_rows(gathered, head.values(), first_key, chunk * kTile, memory);
    }
    if (head.may_be_mean()) {
      add_means(head, sums, first_query, chunk * kTile, gathered, memory);
    }
    STOKER_UNROLL for (int r = 0; r < 4; ++r) {
      const float factor = sums.total[r] == 0.0f ? 1.0f : 1.0f / sums.total[r];
      STOKER_UNROLL for (int c = 0; c < 4; ++c) gathered.rows[r].at[c] *= factor;
      const int query = first_query + place.row + r;
      if (chunk != 0 || place.column != 0 || query >= in.queries) continue;
      p.logarithms[head.row(query)] =
          sums.total[r] == 0.0f ? INFINITY : sums.largest[r] + logf(sums.total[r]);
    }
    write_rows(gathered, p.y, head.results(p.y), first_query + place.row,
               chunk * kTile + place.column);
  }
}

// ---- Backwards ----------------------------------------------------------------------------------
// The sums of dy times y over the features, for a thread's 4 queries.
__device__ __forceinline__ void dots_of(const HeadRows& dy, const HeadRows& y, int first_query,
                                        float (&dots)[4]) {
  const ThreadPlace place;
  const WarpTeam team(kTile / 4);
  STOKER_UNROLL for (int i = 0; i < 4; ++i) {
    const int query = first_query + place.row + i;
    float sum = 0.0f;
    for (int c = place.column / 4; c < dy.columns; c += kTile / 4) {
      sum += dy.at(query, c) * y.at(query, c);
    }
    dots[i] = team.reduce(sum, Sum());
  }
}

// Puts into shared memory what the gradient is summed of: weights for values, and slopes of scores
// otherwise. They lie by key for a gradient of queries, and by query for the others.
template <AttentionGradient kOf>
__device__ __forceinline__ void weights_backwards(const attention_backward_params& p,
                                                  const AttentionHead& head, int first_query,
                                                  int first_key, AttentionTileMemory& memory) {
  const ThreadPlace place;
  constexpr bool kByKey = kOf == AttentionGradient::queries;
  put_factors<kByKey>(head, first_query, first_key, memory.weights);
  const HeadRows dy = head.results(p.dy);
  float dots[4] = {};
  ThreadTile slopes{};
  if constexpr (kOf != AttentionGradient::values) {
    dots_of(dy, head.results(p.y), first_query, dots);
    slopes = products_of_rows(dy, head.values(), first_query, first_key, memory);
  }
  const ThreadTile scores =
      products_of_rows(head.queries(), head.keys(), first_query, first_key, memory);
  STOKER_UNROLL for (int i = 0; i < 4; ++i) {
    const int query = first_query + place.row + i;
    const float logarithm = query < head.p.queries ? p.logarithms[head.row(query)] : INFINITY;
    const bool is_blind = logarithm == INFINITY;
    const float mean =
        is_blind && head.p.blind_is_mean != 0 ? 1.0f / static_cast<float>(head.p.keys) : 0.0f;
    const float slope = is_blind && head.p.blind_has_gradient == 0 ? 0.0f : head.p.scale;
    STOKER_UNROLL for (int j = 0; j < 4; ++j) {
      float& slot = slot_of<kByKey>(memory.weights, place.row + i, place.column + j);
      const float factor = slot;
      const bool sees = factor >= 0.0f;
      const float kept = sees ? factor : -1.0f - factor;
      const float weight = sees ? expf(scores.rows[i].at[j] * head.p.scale - logarithm) : mean;
      if constexpr (kOf == AttentionGradient::values) {
        slot = weight * kept;
      } else {
        slot = weight * (slopes.rows[i].at[j] * kept - dots[i]) * slope;
      }
    }
  }
  __syncthreads();
}

__device__ __forceinline__ void gradient_of_queries(const attention_backward_params& p,
                                                    std::int64_t tile,
                                                    AttentionTileMemory& memory) {
  const AttentionShared& in = p.in;
  const std::int64_t blocks = divide_up(in.queries, kTile), chunks = divide_up(in.key_dim, kTile);
  const auto first_feature = static_cast<int>(tile % chunks) * kTile;
  const auto first_query = static_cast<int>(tile / chunks % blocks) * kTile;
  const auto number = static_cast<int>(tile / (chunks * blocks));
  const AttentionHead head{in, number / in.heads, number % in.heads};
  ThreadTile sum{};
  for (int first_key = 0; first_key < in.keys; first_key += kTile) {
    if (head.is_out_of_sight(first_query, first_key) && !head.may_be_mean()) continue;
    weights_backwards<AttentionGradient::queries>(p, head, first_query, first_key, memory);
    add_weighed_rows(sum, head.keys(), first_key, first_feature, memory);
  }
  const ThreadPlace place;
  write_rows(sum, p.dquery, head.queries(), first_query + place.row, first_feature + place.column);
}

template <AttentionGradient kOf>
__device__ __forceinline__ void gradient_of_keys(const attention_backward_params& p,
                                                 std::int64_t tile, AttentionTileMemory& memory) {
  const AttentionShared& in = p.in;
  constexpr bool kIsOfKeys = kOf == AttentionGradient::keys;
  const int features = kIsOfKeys ? in.key_dim : in.value_dim;
  const std::int64_t blocks = divide_up(in.keys, kTile), chunks = divide_up(features, kTile);
  const auto first_feature = static_cast<int>(tile % chunks) * kTile;
  const auto first_key = static_cast<int>(tile / chunks % blocks) * kTile;
  const auto number = static_cast<int>(tile / (chunks * blocks));
  const int sample = number / in.key_heads, key_head = number % in.key_heads;
  const int group = in.heads / in.key_heads;
  ThreadTile sum{};
  for (int i = key_head * group; i < (key_head + 1) * group; ++i) {
    const AttentionHead head{in, sample, i};
    for (int first_query = 0; first_query < in.queries; first_query += kTile) {
      if (head.is_out_of_sight(first_query, first_key) && !head.may_be_mean()) continue;
      weights_backwards<kOf>(p, head, first_query, first_key, memory);
      add_weighed_rows(sum, kIsOfKeys ? head.queries() : head.results(p.dy), first_query,
                       first_feature, memory);
    }
  }
  const ThreadPlace place;
  const AttentionHead head{in, sample, key_head * group};
  write_rows(sum, kIsOfKeys ? p.dkey : p.dvalue, kIsOfKeys ? head.keys() : head.values(),
             first_key + place.row, first_feature + place.column);
}

STOKER_KERNEL(attention_backward) {
  __shared__ AttentionTileMemory memory;
  const AttentionTiles tiles = attention_tiles(p.in);
  for (std::int64_t tile = blockIdx.x; tile < tiles.total(); tile += gridDim.x) {
    if (tile < tiles.queries) {
      gradient_of_queries(p, tile, memory);
    } else if (tile < tiles.queries + tiles.keys) {
      gradient_of_keys<AttentionGradient::keys>(p, tile - tiles.queries, memory);
    } else {
      gradient_of_keys<AttentionGradient::values>(p, tile - tiles.queries - tiles.keys, memory);
    }
  }
}

}  // namespace stoker::backend::cuda

// The loops of op reduce. A node is as in pointwise_loops.cuh, has one output, and says by
// constants how its work is cut (ops/reduce.cpp). This header is free-standing.
//
// The order of every sum is fixed by the shape. Each thread adds up a few totals, the totals of
// threads are combined as a tree, and parts are combined in order, so that no chain of additions is
// long.
#pragma once

#include "backend/cuda/kernels/blocks.cuh"
#include "backend/cuda/kernels/numbers.cuh"
#include "backend/cuda/kernels/philox.cuh"
#include "backend/cuda/kernels/tiling.h"

namespace stoker::backend::cuda {

enum Kind { kSum, kMax, kMin };

template <class Node>
__device__ __forceinline__ float start() {
  return Node::kKind == kSum ? 0.0f : Node::kKind == kMax ? -infinity() : infinity();
}
template <class Node>
__device__ __forceinline__ float combine(float a, float b) {
  return Node::kKind == kSum ? a + b : Node::kKind == kMax ? maximum(a, b) : minimum(a, b);
}

// Memory that the threads of a block share.
struct Shared {
  float values[4 * kThreads];
};

template <class Node>
struct Values {
  using Index = typename Node::Index;
  // Read element i, or the four elements from there on.
  static __device__ __forceinline__ void read(const Node& node, Index i, float (&to)[1]) {
    node.one(i, 0.0f, to);
  }
  static __device__ __forceinline__ void read(const Node& node, Index i, float (&to)[4]) {
    float y[1][4];
    node.pack(i, 0.0f, y);
    STOKER_UNROLL for (int j = 0; j < 4; ++j) to[j] = y[0][j];
  }
};

// Reduces stretches of kWide elements, which begin at at(0), at(1), ... at(count - 1): element j of
// each goes into totals[j]. This thread takes stretch number `lane` and every lanes-th after it.
// kUnroll of them are read before the first is used.
template <class Node, int kWide, class At>
__device__ __forceinline__ void accumulate(const Node& node, typename Node::Index lane,
                                           typename Node::Index lanes, typename Node::Index count,
                                           float (&totals)[kWide], const At& at) {
  using Index = typename Node::Index;
  constexpr int kUnroll = Node::kUnroll;
  Index k = lane;
  for (; k + (kUnroll - 1) * lanes < count; k += kUnroll * lanes) {
    float v[kUnroll][kWide];
    STOKER_UNROLL for (int u = 0; u < kUnroll; ++u)
        Values<Node>::read(node, at(k + u * lanes), v[u]);
    STOKER_UNROLL for (int j = 0; j < kWide; ++j) {
      STOKER_UNROLL for (int step = 1; step < kUnroll; step *= 2) {
        STOKER_UNROLL for (int u = 0; u + step < kUnroll; u += 2 * step) {
          v[u][j] = combine<Node>(v[u][j], v[u + step][j]);
        }
      }
      totals[j] = combine<Node>(totals[j], v[0][j]);
    }
  }
  if constexpr (kUnroll > 1) {
    for (; k < count; k += lanes) {
      float v[kWide];
      Values<Node>::read(node, at(k), v);
      STOKER_UNROLL for (int j = 0; j < kWide; ++j) totals[j] = combine<Node>(totals[j], v[j]);
    }
  }
}

template <class Node>
struct RowAt {
  using Index = typename Node::Index;
  const Node& node;
  Index row, begin;
  __device__ __forceinline__ Index operator()(Index k) const {
    return node.at(row, begin + Node::kWide * k);
  }
};

// Returns the total of this thread's share of elements [begin, end) of a row; `begin` is a multiple
// of kWide.
template <class Node>
__device__ __forceinline__ float share_of_row(const Node& node, typename Node::Index row,
                                              typename Node::Index begin, typename Node::Index end,
                                              u32 lane, u32 lanes) {
  using Index = typename Node::Index;
  constexpr int kWide = Node::kWide;
  float totals[kWide];
  STOKER_UNROLL for (int j = 0; j < kWide; ++j) totals[j] = start<Node>();
  const Index count = (end - begin) / kWide;
  const RowAt<Node> at = {node, row, begin};
  accumulate<Node, kWide>(node, lane, lanes, count, totals, at);
  if constexpr (kWide == 1) {
    return totals[0];
  } else {
    float total =
        combine<Node>(combine<Node>(totals[0], totals[1]), combine<Node>(totals[2], totals[3]));
    for (Index rest = begin + count * kWide + lane; rest < end; rest += lanes) {
      float v[1];
      Values<Node>::read(node, node.at(row, rest), v);
      total = combine<Node>(total, v[0]);
    }
    return total;
  }
}

// Reduces rows that are short or many; kLanes threads of a warp reduce one row.
template <class Node>
__device__ __forceinline__ void reduce_short_rows(const Node& node, u32 block, u32 blocks) {
  using Index = typename Node::Index;
  constexpr u32 kLanes = Node::kLanes;
  constexpr u32 kAtOnce = kThreads / kLanes;
  const u32 lane = threadIdx.x % kLanes;
  // All threads of a warp stay until its last row is done, since they exchange values.
  for (Index first = static_cast<Index>(block) * kAtOnce; first < Node::kRows;
       first += static_cast<Index>(blocks) * kAtOnce) {
    const Index row = first + threadIdx.x / kLanes;
    float total = start<Node>();
    if (row < Node::kRows) {
      total = share_of_row(node, row, Index(0), Node::kReduced, lane, kLanes);
    }
    STOKER_UNROLL for (u32 step = kLanes / 2; step > 0; step /= 2) {
      total = combine<Node>(total, __shfl_xor_sync(0xffffffffu, total, static_cast<int>(step)));
    }
    if (lane == 0 && row < Node::kRows) node.store(row, total);
  }
}

// Combines the totals of a block's threads, and returns the result to each of them.
template <class Node>
__device__ __forceinline__ float combine_block(float total, Shared& shared) {
  STOKER_UNROLL for (int step = 16; step > 0; step /= 2) {
    total = combine<Node>(total, __shfl_xor_sync(0xffffffffu, total, step));
  }
  if (threadIdx.x % 32 == 0) shared.values[threadIdx.x / 32] = total;
  __syncthreads();
  float v[kThreads / 32];
  STOKER_UNROLL for (u32 w = 0; w < kThreads / 32; ++w) v[w] = shared.values[w];
  STOKER_UNROLL for (u32 step = 1; step < kThreads / 32; step *= 2) {
    STOKER_UNROLL for (u32 w = 0; w + step < kThreads / 32; w += 2 * step) {
      v[w] = combine<Node>(v[w], v[w + step]);
    }
  }
  __syncthreads();  // after this, the memory may take the next total
  return v[0];
}

// Reduces long rows; a block reduces one row, or a part of it.
template <class Node>
__device__ __forceinline__ void reduce_long_rows(const Node& node, Shared& shared, u32 block) {
  using Index = typename Node::Index;
  const u32 part = block % Node::kParts;
  const u32 row = block / Node::kParts;
  const Index begin = static_cast<Index>(part) * Node::kPartLength;
  const Index whole = begin + Node::kPartLength;
  const Index end = whole < Node::kReduced ? whole : Node::kReduced;
  float total = share_of_row(node, static_cast<Index>(row), begin, end, threadIdx.x, kThreads);
  total = combine_block<Node>(total, shared);
  if constexpr (Node::kParts > 1) {
    float* partials = node.partials + static_cast<Index>(row) * Node::kParts;
    if (threadIdx.x == 0) partials[part] = total;
    if (!is_last_block(node.counters + row, Node::kParts)) return;
    total = start<Node>();
    for (u32 k = threadIdx.x; k < Node::kParts; k += kThreads) {
      total = combine<Node>(total, partials[k]);
    }
    total = combine_block<Node>(total, shared);
  }
  if (threadIdx.x == 0) node.store(row, total);
}

template <class Node>
struct ColumnAt {
  using Index = typename Node::Index;
  const Node& node;
  Index outer, begin, column;
  __device__ __forceinline__ Index operator()(Index k) const {
    return node.at(outer, begin + k) + column;
  }
};

// Combines the totals of threads that lie kAcross apart, as a tree; the first kAcross threads end
// up with the results.
template <class Node>
__device__ __forceinline__ void combine_down(float (&totals)[Node::kWide], Shared& shared) {
  constexpr u32 kWide = Node::kWide;
  STOKER_UNROLL for (u32 step = kThreads / 2; step >= Node::kAcross; step /= 2) {
    if (threadIdx.x >= step && threadIdx.x < 2 * step) {
      STOKER_UNROLL for (u32 j = 0; j < kWide; ++j) shared.values[j * kThreads + threadIdx.x] =
          totals[j];
    }
    __syncthreads();
    if (threadIdx.x < step) {
      STOKER_UNROLL for (u32 j = 0; j < kWide; ++j) {
        totals[j] = combine<Node>(totals[j], shared.values[j * kThreads + threadIdx.x + step]);
      }
    }
    // The next step writes to places below those that this step reads, so one barrier is enough.
  }
}

// Reduces where the innermost axes are kept: kAcross threads side by side have kWide columns each,
// and the block reads kThreads / kAcross rows at a time.
template <class Node>
__device__ __forceinline__ void reduce_columns(const Node& node, Shared& shared, u32 block) {
  using Index = typename Node::Index;
  constexpr int kWide = Node::kWide;
  constexpr u32 kDown = kThreads / Node::kAcross;
  const u32 tile = block % Node::kTiles;
  const u32 part = block / Node::kTiles % Node::kParts;
  const u32 outer = block / Node::kTiles / Node::kParts;
  const u32 lane = threadIdx.x / Node::kAcross;
  const Index column =
      (static_cast<Index>(tile) * Node::kAcross + threadIdx.x % Node::kAcross) * kWide;
  const bool is_inside = column < Node::kColumns;
  const Index begin = static_cast<Index>(part) * Node::kPartLength;
  const Index whole = begin + Node::kPartLength;
  const Index end = whole < Node::kReduced ? whole : Node::kReduced;

  float totals[kWide];
  STOKER_UNROLL for (int j = 0; j < kWide; ++j) totals[j] = start<Node>();
  if (is_inside) {
    const ColumnAt<Node> at = {node, outer, begin, column};
    accumulate<Node, kWide>(node, lane, kDown, end - begin, totals, at);
  }
  combine_down<Node>(totals, shared);
  if constexpr (Node::kParts > 1) {
    float* partials = node.partials + static_cast<Index>(outer) * Node::kParts * Node::kColumns;
    if (lane == 0 && is_inside) {
      STOKER_UNROLL for (int j = 0; j < kWide; ++j) {
        partials[static_cast<Index>(part) * Node::kColumns + column + j] = totals[j];
      }
    }
    u32* counter = node.counters + outer * Node::kTiles + tile;
    if (!is_last_block(counter, Node::kParts)) return;
    STOKER_UNROLL for (int j = 0; j < kWide; ++j) totals[j] = start<Node>();
    if (is_inside) {
      for (u32 k = lane; k < Node::kParts; k += kDown) {
        STOKER_UNROLL for (int j = 0; j < kWide; ++j) {
          totals[j] = combine<Node>(totals[j],
                                    partials[static_cast<Index>(k) * Node::kColumns + column + j]);
        }
      }
    }
    combine_down<Node>(totals, shared);
  }
  if (lane == 0 && is_inside) {
    STOKER_UNROLL for (int j = 0; j < kWide; ++j) {
      node.store(static_cast<Index>(outer) * Node::kColumns + column + j, totals[j]);
    }
  }
}

}  // namespace stoker::backend::cuda

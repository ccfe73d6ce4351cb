#pragma once

#include "backend/cuda/kernels/classes.cuh"
#include "backend/cuda/kernels/elements.cuh"
#include "backend/cuda/ops/embedding.h"

namespace stoker::backend::cuda {

// Writes zeros where there is no row to copy.
template <class Unit, class Team>
__device__ __forceinline__ void copy_row(const std::byte* from, std::byte* to,
                                         std::int64_t row_bytes, const Team& team) {
  const auto units = static_cast<int>(row_bytes / static_cast<std::int64_t>(sizeof(Unit)));
  const auto* source = reinterpret_cast<const Unit*>(from);
  auto* target = reinterpret_cast<Unit*>(to);
  for (int i = team.rank(); i < units; i += team.size()) {
    target[i] = source != nullptr ? source[i] : Unit{};
  }
}

STOKER_KERNEL(embedding) {
  __shared__ TeamScratch scratch;
  std::uint32_t bad = 0;
  each_row(p.count, words_of_row(p.row_bytes), scratch, [&](const auto& team, std::int64_t i) {
    const std::int32_t id = class_at(p.ids, p.kind, i);
    const bool is_row = id >= 0 && id < p.entries;
    if (!is_row) bad = max(bad, code_of_row(i));
    const std::byte* from =
        is_row ? static_cast<const std::byte*>(p.table) + id * p.row_bytes : nullptr;
    std::byte* to = static_cast<std::byte*>(p.y) + i * p.row_bytes;
    if (p.row_bytes % 16 == 0) {
      copy_row<uint4>(from, to, p.row_bytes, team);
    } else if (p.row_bytes % 4 == 0) {
      copy_row<unsigned>(from, to, p.row_bytes, team);
    } else {
      copy_row<unsigned short>(from, to, p.row_bytes, team);
    }
  });
  record_bad_label(bad, p.counters, *p.scalars, p.node,
                   [&](std::int64_t i) { return class_at(p.ids, p.kind, i); });
}

// ---- Gradient: uses sorted by id, then the sum of each id's -------------------------------------
// The sort is the plainest form of Satish, Harris, Garland, "Designing efficient sorting algorithms
// for manycore GPUs", 2009. The work grows with the number of uses, whichever ids they name, and
// every step has a fixed order, so that the sums have the same bits each time.

__device__ __forceinline__ std::uint32_t key_of_use(const EmbeddingUses& from, std::int64_t i) {
  if (from.keys != nullptr) return from.keys[i];
  const std::int32_t id = class_at(from.ids, from.kind, i);
  return static_cast<std::uint32_t>(id >= 0 && id < from.entries ? id : from.entries);
}
__device__ __forceinline__ int digit_of(std::uint32_t key, int shift) {
  return static_cast<int>(key >> shift) & (kDigits - 1);
}

// Calls f(first, end) for the chunks of this block, one after the other.
template <class F>
__device__ __forceinline__ void each_chunk(const EmbeddingUses& of, F f) {
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * of.chunk;
  for (std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * of.chunk; first < of.count;
       first += step) {
    f(first, min(first + of.chunk, of.count));
  }
}

// Returns the sum of the values of all threads before this one.
__device__ __forceinline__ std::uint32_t sum_before(std::uint32_t value, std::uint32_t* scratch) {
  const auto thread = static_cast<int>(threadIdx.x);
  std::uint32_t sum = value;
  for (int reach = 1; reach < kBlockThreads; reach *= 2) {
    scratch[thread] = sum;
    __syncthreads();
    if (thread >= reach) sum += scratch[thread - reach];
    __syncthreads();
  }
  return sum - value;
}

STOKER_KERNEL(embedding_count) {
  __shared__ std::uint32_t of_digits[kDigits];
  const auto thread = static_cast<int>(threadIdx.x);
  each_chunk(p.from, [&](std::int64_t first, std::int64_t end) {
    of_digits[thread] = 0;
    __syncthreads();
    STOKER_UNROLL_4
    for (std::int64_t i = first + thread; i < end; i += kBlockThreads) {
      atomicAdd(&of_digits[digit_of(key_of_use(p.from, i), p.from.shift)], 1U);
    }
    __syncthreads();
    p.places[first / p.from.chunk * kDigits + thread] = of_digits[thread];
    __syncthreads();
  });
  if (!is_last_block(p.counter, gridDim.x)) return;
  // Keys are placed after those of smaller digits and, for the same digit, after those of earlier
  // chunks.
  const std::int64_t chunks = divide_up(p.from.count, p.from.chunk);
  std::uint32_t all_of_digit = 0;
  STOKER_UNROLL_4
  for (std::int64_t c = 0; c < chunks; ++c) all_of_digit += p.places[c * kDigits + thread];
  std::uint32_t place = sum_before(all_of_digit, of_digits);
  for (std::int64_t c = 0; c < chunks; ++c) {
    const std::uint32_t own = p.places[c * kDigits + thread];
    p.places[c * kDigits + thread] = place;
    place += own;
  }
}

// Returns the lanes of this warp that have the same digit, among those that have one.
__device__ __forceinline__ unsigned lanes_of_digit(int digit, bool has_digit) {
  unsigned lanes = __ballot_sync(0xffffffffU, has_digit ? 1 : 0);
  for (int bit = 0; bit < kDigitBits; ++bit) {
    const bool is_set = (digit >> bit & 1) != 0;
    const unsigned set = __ballot_sync(0xffffffffU, is_set ? 1 : 0);
    lanes &= is_set ? set : ~set;
  }
  return lanes;
}

STOKER_KERNEL(embedding_place) {
  constexpr int kWarps = kBlockThreads / 32;
  __shared__ std::uint32_t next[kDigits];  // the place of the next key of each digit
  // At first the number of keys, then their place.
  __shared__ std::uint32_t of_warps[kWarps][kDigits];
  const auto thread = static_cast<int>(threadIdx.x);
  const int warp = thread / 32;
  const unsigned before = (1U << (thread % 32)) - 1U;
  each_chunk(p.from, [&](std::int64_t first, std::int64_t end) {
    next[thread] = p.places[first / p.from.chunk * kDigits + thread];
    for (std::int64_t begin = first; begin < end; begin += kBlockThreads) {
      for (int w = 0; w < kWarps; ++w) of_warps[w][thread] = 0;
      __syncthreads();
      const std::int64_t i = begin + thread;
      const bool is_use = i < end;
      const std::uint32_t key = is_use ? key_of_use(p.from, i) : 0U;
      const int digit = digit_of(key, p.from.shift);
      const unsigned lanes = lanes_of_digit(digit, is_use);
      const int rank = __popc(lanes & before);
      if (is_use && rank == 0) of_warps[warp][digit] = static_cast<std::uint32_t>(__popc(lanes));
      __syncthreads();
      for (int w = 0; w < kWarps; ++w) {
        const std::uint32_t count = of_warps[w][thread];
        of_warps[w][thread] = next[thread];
        next[thread] += count;
      }
      __syncthreads();
      if (is_use) {
        const std::uint32_t place = of_warps[warp][digit] + static_cast<std::uint32_t>(rank);
        p.keys[place] = key;
        p.uses[place] = p.from.uses != nullptr ? p.from.uses[i] : static_cast<std::uint32_t>(i);
      }
      __syncthreads();
    }
  });
}

// Returns the sum of dy over the uses from `begin` on that have this key, of which this warp takes
// groups of 32, `step` apart. Uses of a key stand side by side, so that a group with fewer than 32
// of them is the last. The threads of the warp lie along the columns.
template <class T, int N>
__device__ __forceinline__ Floats<N> sum_of_uses(const embedding_backward_params& p,
                                                 std::uint32_t key, std::int64_t begin, int step,
                                                 int column) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  Floats<N> sum = all<N>(0.0f);
  for (int found = 32; found == 32; begin += step) {
    const std::int64_t mine = begin + lane;
    const bool is_use = mine < p.count && p.keys[mine] == key;
    const std::uint32_t use = is_use ? p.uses[mine] : 0U;
    found = __popc(__ballot_sync(0xffffffffU, is_use ? 1 : 0));
    STOKER_UNROLL_4
    for (int k = 0; k < found; ++k) {
      const std::int64_t row = __shfl_sync(0xffffffffU, use, k);
      if (column >= p.columns) continue;
      const Floats<N> dy = load_as<T, N>(p.dy, row * p.columns + column);
      STOKER_UNROLL for (int i = 0; i < N; ++i) sum.at[i] += dy.at[i];
    }
  }
  return sum;
}

// Each warp of a block takes a place among the sorted uses. If the uses of an id begin there and
// are at most 32, the warp sums them. If they are more, all warps of the block sum them together
// afterwards.
template <class T, int N>
__device__ __forceinline__ void embedding_backward(const embedding_backward_params& p,
                                                   Floats<N> (*of_warps)[32]) {
  constexpr int kWarps = kBlockThreads / 32;
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const std::int64_t tiles = divide_up(p.columns, 32 * N);
  const std::int64_t items = divide_up(p.count, kWarps) * tiles;
  const auto begins_at = [&](std::int64_t i) {
    if (i >= p.count) return false;
    const std::uint32_t key = p.keys[i];
    return key < static_cast<std::uint32_t>(p.entries) && (i == 0 || p.keys[i - 1] != key);
  };
  const auto is_long_at = [&](std::int64_t i) {
    return begins_at(i) && i + 32 < p.count && p.keys[i + 32] == p.keys[i];
  };
  for (std::int64_t item = blockIdx.x; item < items; item += gridDim.x) {
    const std::int64_t group = item / tiles;
    const int column = (static_cast<int>(item - group * tiles) * 32 + lane) * N;
    const auto store_sum = [&](std::uint32_t key, const Floats<N>& sum) {
      if (column < p.columns) store(p.dtable + std::int64_t{key} * p.columns + column, sum);
    };
    const std::int64_t own = group * kWarps + warp;
    if (begins_at(own) && !is_long_at(own)) {
      store_sum(p.keys[own], sum_of_uses<T, N>(p, p.keys[own], own, 32, column));
    }
    for (std::int64_t i = group * kWarps; i < (group + 1) * kWarps; ++i) {
      if (!is_long_at(i)) continue;
      Floats<N> sum = sum_of_uses<T, N>(p, p.keys[i], i + warp * 32, kBlockThreads, column);
      of_warps[warp][lane] = sum;
      __syncthreads();
      if (warp == 0) {
        for (int w = 1; w < kWarps; ++w) {
          STOKER_UNROLL for (int k = 0; k < N; ++k) sum.at[k] += of_warps[w][lane].at[k];
        }
        store_sum(p.keys[i], sum);
      }
      __syncthreads();
    }
  }
}

STOKER_KERNEL(embedding_backward) {
  __shared__ Floats<8> shared[kBlockThreads / 32][32];
  Floats<8>(*const of_warps)[32] = shared;
  with_type(p.element, [&](auto type) {
    using T = decltype(type);
    with_width<sizeof(T)>(p.columns, [&](auto width) {
      constexpr int N = decltype(width)::value;
      embedding_backward<T, N>(p, reinterpret_cast<Floats<N>(*)[32]>(of_warps));
    });
  });
}

}  // namespace stoker::backend::cuda

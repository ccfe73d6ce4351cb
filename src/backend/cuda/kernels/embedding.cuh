#pragma once

#include "backend/cuda/kernels/classes.cuh"
#include "backend/cuda/kernels/elements.cuh"

namespace stoker::backend::cuda {

// Zeros where there is no row to copy.
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

STOKER_KERNEL embedding_kernel(const embedding_params p) {
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

// Whether no id before the i-th is the same. All threads of the block ask together.
__device__ __forceinline__ bool is_first_use(const embedding_backward_params& p, std::int64_t i,
                                             std::int32_t id) {
  for (std::int64_t begin = 0; begin < i; begin += kBlockThreads) {
    const std::int64_t j = begin + threadIdx.x;
    const bool is_same = j < i && class_at(p.ids, p.kind, j) == id;
    if (__syncthreads_or(is_same ? 1 : 0) != 0) return false;
  }
  return true;
}

// A block takes a use of the table; if it is the first one of its row, it sums dy over all of them:
// no atomics, and an order that depends on the ids alone. Each warp takes 32 ids in turn, and its
// threads lie along the columns.
template <class T, int N>
__device__ __forceinline__ void embedding_backward(const embedding_backward_params& p,
                                                   Floats<N> (*of_warps)[32]) {
  constexpr int kWarps = kBlockThreads / 32;
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const std::int64_t tiles = divide_up(p.columns, 32 * N);
  for (std::int64_t item = blockIdx.x; item < p.count * tiles; item += gridDim.x) {
    const std::int64_t first = item / tiles;
    const std::int32_t id = class_at(p.ids, p.kind, first);
    if (id < 0 || id >= p.entries || !is_first_use(p, first, id)) continue;
    const int column = (static_cast<int>(item - first * tiles) * 32 + lane) * N;
    const bool is_column = column < p.columns;
    Floats<N> sum = all<N>(0.0f);
    for (std::int64_t begin = first + warp * 32; begin < p.count; begin += kBlockThreads) {
      const std::int64_t mine = begin + lane;
      const bool is_use = mine < p.count && class_at(p.ids, p.kind, mine) == id;
      unsigned uses = __ballot_sync(0xffffffffU, is_use ? 1 : 0);
      for (; uses != 0; uses &= uses - 1) {
        const std::int64_t use = begin + __ffs(static_cast<int>(uses)) - 1;
        if (!is_column) continue;
        const Floats<N> dy = load_as<T, N>(p.dy, use * p.columns + column);
        STOKER_UNROLL for (int i = 0; i < N; ++i) sum.at[i] += dy.at[i];
      }
    }
    of_warps[warp][lane] = sum;
    __syncthreads();
    if (warp == 0 && is_column) {
      for (int w = 1; w < kWarps; ++w) {
        STOKER_UNROLL for (int i = 0; i < N; ++i) sum.at[i] += of_warps[w][lane].at[i];
      }
      store(p.dtable + static_cast<std::int64_t>(id) * p.columns + column, sum);
    }
    __syncthreads();
  }
}

STOKER_KERNEL embedding_backward_kernel(const embedding_backward_params p) {
  __shared__ Floats<4> shared[kBlockThreads / 32][32];
  Floats<4>(*const of_warps)[32] = shared;
  with_type(p.element, [&](auto type) {
    using T = decltype(type);
    if (pack_width(p.columns) == 4) {
      embedding_backward<T, 4>(p, of_warps);
    } else {
      embedding_backward<T, 1>(p, reinterpret_cast<Floats<1>(*)[32]>(of_warps));
    }
  });
}

}  // namespace stoker::backend::cuda

// The matrix products that cuDNN refuses. A block computes tiles of kTile x kTile elements through
// shared memory, and each thread 4 x 4 elements of a tile.
#pragma once

#include "backend/cuda/kernels/product_tiles.cuh"
#include "backend/cuda/ops/matmul.h"

namespace stoker::backend::cuda {

// A matrix that is read along `depth`, which is the direction of its rows or of its columns.
struct TileSource {
  const float* from;
  int extent, depth;
  bool depth_is_minor;

  __device__ float at(int i, int k) const {
    if (i >= extent || k >= depth) return 0.0f;
    return depth_is_minor ? from[static_cast<std::int64_t>(i) * depth + k]
                          : from[static_cast<std::int64_t>(k) * extent + i];
  }
  // In either direction neighbouring threads read neighbouring elements.
  __device__ void load_tile(MatrixTile& tile, int first_i, int first_k) const {
    STOKER_UNROLL for (int j = 0; j < kTile * kTileDepth / kBlockThreads; ++j) {
      const int e = static_cast<int>(threadIdx.x) + j * kBlockThreads;
      const int i = depth_is_minor ? e / kTileDepth : e % kTile;
      const int k = depth_is_minor ? e % kTileDepth : e / kTile;
      tile[k][i] = at(first_i + i, first_k + k);
    }
  }
};

struct MatmulPlace {
  std::int64_t a = 0, b = 0;
};
__device__ __forceinline__ MatmulPlace place_of_product(const matmul_params& p,
                                                        std::int64_t product) {
  MatmulPlace place;
  for (int axis = p.batch_rank; axis-- > 0;) {
    const std::int64_t index = product % p.batch[axis];
    product /= p.batch[axis];
    place.a += index * p.steps_a[axis];
    place.b += index * p.steps_b[axis];
  }
  return place;
}

__device__ __forceinline__ void write_tile(const matmul_params& p, const ThreadTile& tile, float* to,
                                           int row, int column) {
  STOKER_UNROLL for (int i = 0; i < 4; ++i) {
    STOKER_UNROLL for (int j = 0; j < 4; ++j) {
      if (row + i >= p.m || column + j >= p.n) continue;
      const float bias = p.bias != nullptr ? p.bias[column + j] : 0.0f;
      const float y = tile.rows[i].at[j] + bias;
      to[static_cast<std::int64_t>(row + i) * p.n + column + j] = p.relu != 0 ? relu(y) : y;
    }
  }
}

STOKER_KERNEL(matmul) {
  __shared__ MatrixTile a, b;
  const int row = static_cast<int>(threadIdx.x) / (kTile / 4) * 4;
  const int column = static_cast<int>(threadIdx.x) % (kTile / 4) * 4;
  const std::int64_t wide = divide_up(p.n, kTile);
  const std::int64_t of_product = wide * divide_up(p.m, kTile);
  for (std::int64_t i = blockIdx.x; i < p.products * of_product; i += gridDim.x) {
    const std::int64_t product = i / of_product, tile = i % of_product;
    const MatmulPlace place = place_of_product(p, product);
    const std::int64_t m = p.m, n = p.n, k = p.k;
    const TileSource a_source{p.a + place.a * m * k, p.m, p.k, p.transpose_a == 0};
    const TileSource b_source{p.b + place.b * k * n, p.n, p.k, p.transpose_b != 0};
    const int first_m = static_cast<int>(tile / wide) * kTile;
    const int first_n = static_cast<int>(tile % wide) * kTile;
    ThreadTile y{};
    for (int depth = 0; depth < p.k; depth += kTileDepth) {
      a_source.load_tile(a, first_m, depth);
      b_source.load_tile(b, first_n, depth);
      __syncthreads();
      y.add_product(a, b, row, column);
      __syncthreads();
    }
    write_tile(p, y, p.y + product * m * n, first_m + row, first_n + column);
  }
}

}  // namespace stoker::backend::cuda

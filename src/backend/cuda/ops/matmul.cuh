// The matrix products that cuDNN refuses. A block computes tiles of kTile x kTile elements through
// shared memory, and each thread 4 x 4 elements of a tile.
#pragma once

#include "backend/cuda/kernels/device.cuh"
#include "backend/cuda/ops/matmul.h"

namespace stoker::backend::cuda {

// A tile is stored by depth. Its rows are padded by a pack, so that they stay aligned and stores
// spread over the banks.
using MatrixTile = float[kTileDepth][kTile + 4];

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

struct ThreadTile {
  Floats<4> rows[4];

  __device__ void add_product(const MatrixTile& a, const MatrixTile& b, int row, int column) {
    STOKER_UNROLL for (int k = 0; k < kTileDepth; ++k) {
      const Floats<4> left = load<4>(&a[k][row]);
      const Floats<4> right = load<4>(&b[k][column]);
      STOKER_UNROLL for (int i = 0; i < 4; ++i) {
        STOKER_UNROLL for (int j = 0; j < 4; ++j) rows[i].at[j] += left.at[i] * right.at[j];
      }
    }
  }
  __device__ void write(const matmul_params& p, int row, int column) const {
    STOKER_UNROLL for (int i = 0; i < 4; ++i) {
      STOKER_UNROLL for (int j = 0; j < 4; ++j) {
        if (row + i >= p.m || column + j >= p.n) continue;
        const float bias = p.bias != nullptr ? p.bias[column + j] : 0.0f;
        const float y = rows[i].at[j] + bias;
        p.y[static_cast<std::int64_t>(row + i) * p.n + column + j] = p.relu != 0 ? relu(y) : y;
      }
    }
  }
};

STOKER_KERNEL(matmul) {
  __shared__ MatrixTile a, b;
  const TileSource a_source{p.a, p.m, p.k, p.transpose_a == 0};
  const TileSource b_source{p.b, p.n, p.k, p.transpose_b != 0};
  const int row = static_cast<int>(threadIdx.x) / (kTile / 4) * 4;
  const int column = static_cast<int>(threadIdx.x) % (kTile / 4) * 4;
  const std::int64_t wide = divide_up(p.n, kTile);
  const std::int64_t tiles = wide * divide_up(p.m, kTile);
  for (std::int64_t tile = blockIdx.x; tile < tiles; tile += gridDim.x) {
    const int first_m = static_cast<int>(tile / wide) * kTile;
    const int first_n = static_cast<int>(tile % wide) * kTile;
    ThreadTile y{};
    for (int k = 0; k < p.k; k += kTileDepth) {
      a_source.load_tile(a, first_m, k);
      b_source.load_tile(b, first_n, k);
      __syncthreads();
      y.add_product(a, b, row, column);
      __syncthreads();
    }
    y.write(p, first_m + row, first_n + column);
  }
}

}  // namespace stoker::backend::cuda

// Tiles of matrix products: a block computes kTile x kTile elements through shared memory, and each
// thread 4 x 4 of them.
#pragma once

#include "backend/cuda/kernels/device.cuh"

namespace stoker::backend::cuda {

// A tile is stored by depth. Its rows are padded by a pack, so that they stay aligned and stores
// spread over the banks.
using MatrixTile = float[kTileDepth][kTile + 4];

// The 4 x 4 elements of a thread.
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
};

}  // namespace stoker::backend::cuda

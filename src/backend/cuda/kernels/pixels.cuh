// Pixels of images, for kernels in which a thread computes a pack of channels of one pixel.
#pragma once

#include "backend/cuda/kernels/device.cuh"

namespace stoker::backend::cuda {

struct Pixel {
  std::int64_t n;
  int y, x, c;
};

// Returns the place of the i-th pack of N channels in images [.., height, width, channels]. Index
// is unsigned, of 32 or 64 bits.
template <int N, class Index>
__device__ __forceinline__ Pixel pixel_of(Index i, int height, int width, int channels) {
  const auto rest_of = [&i](int extent) {
    const Index quotient = i / static_cast<Index>(extent);
    const Index rest = i - quotient * static_cast<Index>(extent);
    i = quotient;
    return static_cast<int>(rest);
  };
  Pixel at;
  at.c = rest_of(channels / N) * N;
  at.x = rest_of(width);
  at.y = rest_of(height);
  at.n = static_cast<std::int64_t>(i);
  return at;
}

__device__ __forceinline__ std::int64_t offset_of(std::int64_t n, int y, int x, int c, int height,
                                                  int width, int channels) {
  return ((n * height + y) * width + x) * channels + c;
}

}  // namespace stoker::backend::cuda

// Pooling of sequences (batch, steps, features) and images (batch, height, width, channels).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "stoker/layers/layer.h"
#include "stoker/layers/size2d.h"
#include "stoker/layers/size3d.h"

namespace stoker {

// With `padding` "same" a mean counts only what lies inside.
template <class Size>
struct PoolingWindowOptions {
  std::optional<Size> strides{};  // Where they are absent, the strides are the pool size.
  std::string padding = "valid";
  std::string name{};
  std::string dtype{};
};
using Pooling1DOptions = PoolingWindowOptions<std::int64_t>;
using PoolingOptions = PoolingWindowOptions<Size2D>;
using Pooling3DOptions = PoolingWindowOptions<Size3D>;
Layer MaxPooling1D(std::int64_t pool_size = 2, Pooling1DOptions options = {});
Layer MaxPooling2D(Size2D pool_size = 2, PoolingOptions options = {});
Layer AveragePooling1D(std::int64_t pool_size = 2, Pooling1DOptions options = {});
Layer AveragePooling2D(Size2D pool_size = 2, PoolingOptions options = {});
// Of volumes (batch, depth, height, width, channels).
Layer MaxPooling3D(Size3D pool_size = 2, Pooling3DOptions options = {});
Layer AveragePooling3D(Size3D pool_size = 2, Pooling3DOptions options = {});

// Means and maxima over windows of such a size that the result has `output_size` along the axes
// between batch and channels: element i of n along an axis of m is made of those from floor(i m /
// n) to ceil((i + 1) m / n).
Layer AdaptiveAveragePooling1D(std::int64_t output_size, NameOptions options = {});
Layer AdaptiveAveragePooling2D(Size2D output_size, NameOptions options = {});
Layer AdaptiveAveragePooling3D(Size3D output_size, NameOptions options = {});
Layer AdaptiveMaxPooling1D(std::int64_t output_size, NameOptions options = {});
Layer AdaptiveMaxPooling2D(Size2D output_size, NameOptions options = {});
Layer AdaptiveMaxPooling3D(Size3D output_size, NameOptions options = {});

struct GlobalPoolingOptions {
  bool keepdims = false;
  std::string name{};
  std::string dtype{};
};
// Means and maxima of each channel of sequences (batch, steps, channels), of images and of volumes
// (batch, depth, height, width, channels). GlobalAveragePooling1D leaves masked steps out.
Layer GlobalAveragePooling1D(GlobalPoolingOptions options = {});
Layer GlobalAveragePooling2D(GlobalPoolingOptions options = {});
Layer GlobalAveragePooling3D(GlobalPoolingOptions options = {});
Layer GlobalMaxPooling1D(GlobalPoolingOptions options = {});
Layer GlobalMaxPooling2D(GlobalPoolingOptions options = {});
Layer GlobalMaxPooling3D(GlobalPoolingOptions options = {});

}  // namespace stoker

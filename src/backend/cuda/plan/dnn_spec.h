// What cuDNN is asked for: one matrix product or convolution with what may follow it in the same
// graph. Plain data, so that a test can compute it from its definition.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "stoker/dtype.h"

namespace stoker::backend::cuda {

// Dims in cuDNN's order, strides in elements. Matrices are (1, rows, columns); images (N, C, H, W)
// with NHWC strides; convolution kernels (O, I, KH, KW) with the strides of Keras's HWIO layout.
struct DnnTensor {
  DType dtype = DType::float32;
  std::vector<std::int64_t> dims;
  std::vector<std::int64_t> strides;

  friend bool operator==(const DnnTensor&, const DnnTensor&) = default;
};

enum class DnnKind : std::uint8_t {
  matmul,                 // y = a b
  conv_forward,           // y = conv(image a, kernel b)
  conv_backward_data,     // y = gradient of the image; a = dy, b = kernel
  conv_backward_weights,  // y = gradient of the kernel; a = dy, b = image
};

enum class DnnEpilogue : std::uint8_t {
  none,
  relu,
  relu_backward,  // y = aux > 0 ? y : 0
};

struct DnnSpec {
  DnnKind kind = DnnKind::matmul;
  DnnTensor a, b, y;
  std::optional<DnnTensor> bias;  // added before the epilogue; extent 1 where it is broadcast
  std::optional<DnnTensor> aux;   // of relu_backward: y's shape
  DnnEpilogue epilogue = DnnEpilogue::none;
  // Convolutions: cross-correlation, as everybody's.
  std::array<std::int64_t, 2> strides{1, 1};
  std::array<std::int64_t, 2> dilations{1, 1};
  std::array<std::int64_t, 2> padding_before{0, 0};
  std::array<std::int64_t, 2> padding_after{0, 0};
  // float32 operands may be rounded to TF32's 10 bits on their way into tensor cores. Sums are
  // float32 always.
  bool tf32 = true;

  // Everything above in one line: a key, and what a refusal shows.
  std::string text() const;
  friend bool operator==(const DnnSpec&, const DnnSpec&) = default;
};

// Whether cuDNN computes it.
using Accepts = std::function<bool(const DnnSpec&)>;

}  // namespace stoker::backend::cuda

// A request to cuDNN: one matrix product or convolution, with what may follow it in the same graph.
// It is plain data, so that a test can compute it from its definition.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "stoker/dtype.h"

namespace stoker::backend::cuda {

// A tensor with its dims in cuDNN's order and its strides in elements. Matrices are (1, rows,
// columns); images (N, C, H, W) with NHWC strides; convolution kernels (O, I, KH, KW) with the
// strides of Keras's HWIO layout.
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
  std::optional<DnnTensor> aux;   // for relu_backward, of y's shape
  DnnEpilogue epilogue = DnnEpilogue::none;
  // Convolutions are cross-correlations, as everywhere in the field.
  std::array<std::int64_t, 2> strides{1, 1};
  std::array<std::int64_t, 2> dilations{1, 1};
  std::array<std::int64_t, 2> padding_before{0, 0};
  std::array<std::int64_t, 2> padding_after{0, 0};
  // If true, float32 operands may be rounded to TF32's 10 bits on their way into tensor cores. Sums
  // are always float32.
  bool tf32 = true;

  // Returns all of the above in one line, which serves as a key and is shown with a refusal.
  std::string text() const;
  friend bool operator==(const DnnSpec&, const DnnSpec&) = default;
};

// Returns whether cuDNN computes the spec.
using Accepts = std::function<bool(const DnnSpec&)>;

}  // namespace stoker::backend::cuda

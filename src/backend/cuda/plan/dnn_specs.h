// What the ops matmul and conv2d and the gradients of conv2d ask cuDNN for. Bias and epilogue
// are the tail of the op's attributes. Nothing is packed or transposed first: strides say how
// Keras's layouts are to be read.
#pragma once

#include <optional>

#include "backend/cuda/plan/dnn_spec.h"
#include "ops/ops.h"
#include "stoker/shape.h"

namespace stoker::backend::cuda {

struct DnnTypes {
  DType operands = DType::float32;  // a, b and aux
  DType bias = DType::float32;
  DType result = DType::float32;
  bool tf32 = true;

  static DnnTypes all(DType dtype, bool tf32 = true) {
    return {.operands = dtype, .bias = dtype, .result = dtype, .tf32 = tf32};
  }
};

// Shapes as they are stored: [K, M] for a transposed a.
DnnSpec matmul_spec(const Shape& a, const Shape& b, const ops::MatMulAttributes& attributes,
                    const DnnTypes& types = {});
// The same product over 1x1 images, for cuDNN multiplies
// matrices on tensor cores only, but has convolutions of plain float32. Of a product with a
// transposed a (a gradient of weights) a and b change places: `swapped` says so. Nullopt where no
// convolution does it.
struct DnnProduct {
  DnnSpec spec;
  bool swapped = false;
};
std::optional<DnnProduct> as_convolution(const DnnSpec& matmul);

// x [N, H, W, C], kernel [KH, KW, C / groups, O].
DnnSpec conv2d_spec(const Shape& x, const Shape& kernel, const ops::Conv2DAttributes& attributes,
                    const DnnTypes& types = {});
// a is dy and b the kernel. Of the tails only relu's gradient is the gradient's own.
DnnSpec conv2d_backward_data_spec(const Shape& x, const Shape& kernel,
                                  const ops::Conv2DAttributes& attributes,
                                  const DnnTypes& types = {});
// a is dy and b the image. The gradient of the bias is none of cuDNN's business.
DnnSpec conv2d_backward_weights_spec(const Shape& x, const Shape& kernel,
                                     const ops::Conv2DAttributes& attributes,
                                     const DnnTypes& types = {});

}  // namespace stoker::backend::cuda

// The requests to cuDNN for the ops matmul and conv2d and the gradients of conv2d. Bias and
// epilogue are the tail of the op's attributes. Nothing is packed or transposed first: strides say
// how Keras's layouts are to be read.
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

// `a` and `b` are the shapes as stored: [K, M] for a transposed a.
DnnSpec matmul_spec(const Shape& a, const Shape& b, const ops::MatMulAttributes& attributes,
                    const DnnTypes& types = {});
// A matrix product as a convolution over 1x1 images, since cuDNN multiplies matrices on tensor
// cores only, but has convolutions of plain float32. In a product with a transposed a (a gradient
// of weights), a and b change places, and `swapped` is true. as_convolution() returns nullopt where
// no convolution computes the product.
struct DnnProduct {
  DnnSpec spec;
  bool swapped = false;
};
std::optional<DnnProduct> as_convolution(const DnnSpec& matmul);

// The shapes are x [N, H, W, C] and kernel [KH, KW, C / groups, O].
DnnSpec conv2d_spec(const Shape& x, const Shape& kernel, const ops::Conv2DAttributes& attributes,
                    const DnnTypes& types = {});
// In the spec, a is dy and b the kernel. The only tail that this gradient can have is relu's
// gradient.
DnnSpec conv2d_backward_data_spec(const Shape& x, const Shape& kernel,
                                  const ops::Conv2DAttributes& attributes,
                                  const DnnTypes& types = {});
// In the spec, a is dy and b the image. cuDNN is not asked for the gradient of the bias.
DnnSpec conv2d_backward_weights_spec(const Shape& x, const Shape& kernel,
                                     const ops::Conv2DAttributes& attributes,
                                     const DnnTypes& types = {});

}  // namespace stoker::backend::cuda

#include "backend/cuda/plan/dnn_specs.h"

#include "ops/tail.h"

namespace stoker::backend::cuda {
namespace {

using Attributes = ops::Conv2DAttributes;

// Returns the tensor of a matrix, rows x columns, that is stored row by row or, if transposed,
// column by column.
DnnTensor matrix(DType dtype, std::int64_t rows, std::int64_t columns, bool transposed = false) {
  DnnTensor tensor{.dtype = dtype, .dims = {1, rows, columns}, .strides = {rows * columns, 1, 1}};
  tensor.strides[transposed ? 2 : 1] = transposed ? rows : columns;
  return tensor;
}

DnnTensor image(DType dtype, const Shape& nhwc) {
  const std::int64_t h = nhwc[1], w = nhwc[2], c = nhwc[3];
  return {.dtype = dtype, .dims = {nhwc[0], c, h, w}, .strides = {h * w * c, 1, w * c, c}};
}

DnnTensor kernel_tensor(DType dtype, const Shape& hwio) {
  const std::int64_t h = hwio[0], w = hwio[1], i = hwio[2], o = hwio[3];
  return {.dtype = dtype, .dims = {o, i, h, w}, .strides = {1, o, w * i * o, i * o}};
}

Shape result_shape(const Shape& x, const Shape& kernel, const Attributes& attributes) {
  const auto extent = [&](std::size_t d) {
    const std::int64_t reach = (kernel[d] - 1) * attributes.dilations[d] + 1;
    const std::int64_t padding = attributes.padding_before[d] + attributes.padding_after[d];
    return (x[d + 1] + padding - reach) / attributes.strides[d] + 1;
  };
  return {x[0], extent(0), extent(1), kernel[3]};
}

DnnSpec convolution(DnnKind kind, const Attributes& attributes, const DnnTypes& types) {
  DnnSpec spec;
  spec.kind = kind;
  spec.strides = attributes.strides;
  spec.dilations = attributes.dilations;
  spec.padding_before = attributes.padding_before;
  spec.padding_after = attributes.padding_after;
  spec.tf32 = types.tf32;
  return spec;
}

void set_epilogue(DnnSpec& spec, const ops::GatedSum& tail, const DnnTypes& types) {
  if (tail.relu) spec.epilogue = DnnEpilogue::relu;
  if (tail.mask < 0) return;
  spec.epilogue = DnnEpilogue::relu_backward;
  spec.aux = spec.y;
  spec.aux->dtype = types.operands;
}

}  // namespace

DnnSpec matmul_spec(const Shape& a, const Shape& b, const ops::MatMulAttributes& attributes,
                    const DnnTypes& types) {
  const std::int64_t m = a[attributes.transpose_a ? 1 : 0];
  const std::int64_t k = a[attributes.transpose_a ? 0 : 1];
  const std::int64_t n = b[attributes.transpose_b ? 0 : 1];
  DnnSpec spec;
  spec.kind = DnnKind::matmul;
  spec.a = matrix(types.operands, m, k, attributes.transpose_a);
  spec.b = matrix(types.operands, k, n, attributes.transpose_b);
  spec.y = matrix(types.result, m, n);
  spec.tf32 = types.tf32;
  const ops::GatedSum tail = ops::gated_sum_of(attributes.tail);
  if (tail.addend >= 0) spec.bias = matrix(types.bias, 1, n);
  set_epilogue(spec, tail, types);
  return spec;
}

std::optional<DnnProduct> as_convolution(const DnnSpec& matmul) {
  const std::int64_t m = matmul.y.dims[1], n = matmul.y.dims[2], k = matmul.a.dims[2];
  const auto stored = [](const DnnTensor& tensor, bool transposed) {
    return tensor.strides ==
           matrix(tensor.dtype, tensor.dims[1], tensor.dims[2], transposed).strides;
  };
  const auto pixels = [](const DnnTensor& tensor, std::int64_t rows, std::int64_t columns) {
    return image(tensor.dtype, {rows, 1, 1, columns});
  };
  DnnProduct product{.spec = matmul};
  DnnSpec& spec = product.spec;
  if (stored(matmul.a, false)) {  // each row of a becomes a pixel
    spec.kind = DnnKind::conv_forward;
    spec.a = pixels(matmul.a, m, k);
    spec.b = kernel_tensor(matmul.b.dtype, {1, 1, k, n});
    if (!stored(matmul.b, false)) spec.b.strides = {k, 1, k, k};  // [N, K] is [O, KH, KW, I]
    spec.y = pixels(matmul.y, m, n);
    if (matmul.bias) spec.bias = pixels(*matmul.bias, 1, n);
    if (matmul.aux) spec.aux = pixels(*matmul.aux, m, n);
    return product;
  }
  if (!stored(matmul.b, false) || matmul.bias || matmul.epilogue != DnnEpilogue::none) {
    return std::nullopt;
  }
  // The product becomes the sum over pixels in a gradient of weights: b is dy, and a, as it is
  // stored, is the image.
  product.swapped = true;
  spec.kind = DnnKind::conv_backward_weights;
  spec.a = pixels(matmul.b, k, n);
  spec.b = pixels(matmul.a, k, m);
  spec.y = kernel_tensor(matmul.y.dtype, {1, 1, m, n});
  return product;
}

DnnSpec conv2d_spec(const Shape& x, const Shape& kernel, const Attributes& attributes,
                    const DnnTypes& types) {
  DnnSpec spec = convolution(DnnKind::conv_forward, attributes, types);
  spec.a = image(types.operands, x);
  spec.b = kernel_tensor(types.operands, kernel);
  spec.y = image(types.result, result_shape(x, kernel, attributes));
  const ops::GatedSum tail = ops::gated_sum_of(attributes.tail);
  if (tail.addend >= 0) spec.bias = image(types.bias, {1, 1, 1, kernel[3]});
  set_epilogue(spec, tail, types);
  return spec;
}

DnnSpec conv2d_backward_data_spec(const Shape& x, const Shape& kernel, const Attributes& attributes,
                                  const DnnTypes& types) {
  DnnSpec spec = convolution(DnnKind::conv_backward_data, attributes, types);
  spec.a = image(types.operands, result_shape(x, kernel, attributes));
  spec.b = kernel_tensor(types.operands, kernel);
  spec.y = image(types.result, x);
  const ops::GatedSum tail = ops::gated_sum_of(attributes.tail);
  if (tail.mask >= 0) set_epilogue(spec, tail, types);
  return spec;
}

DnnSpec conv2d_backward_weights_spec(const Shape& x, const Shape& kernel,
                                     const Attributes& attributes, const DnnTypes& types) {
  DnnSpec spec = convolution(DnnKind::conv_backward_weights, attributes, types);
  spec.a = image(types.operands, result_shape(x, kernel, attributes));
  spec.b = image(types.operands, x);
  spec.y = kernel_tensor(types.result, kernel);
  return spec;
}

}  // namespace stoker::backend::cuda

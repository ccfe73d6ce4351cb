#include "backend/cuda/dnn_reference.h"

#include <array>
#include <cstdint>
#include <stdexcept>

#include <Eigen/Core>

namespace stoker::test {
namespace {

using backend::cuda::DnnEpilogue;
using backend::cuda::DnnKind;
using backend::cuda::DnnPointers;
using backend::cuda::DnnSpec;
using backend::cuda::DnnTensor;
using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

// ---- Memory -------------------------------------------------------------------------------------

template <class T>
double load(const void* memory, std::int64_t at) {
  return static_cast<float>(static_cast<const T*>(memory)[at]);
}
double load(DType dtype, const void* memory, std::int64_t at) {
  switch (dtype) {
    case DType::float32:
      return load<float>(memory, at);
    case DType::bfloat16:
      return load<bfloat16>(memory, at);
    case DType::float16:
      return load<float16>(memory, at);
    default:
      throw std::invalid_argument("dnn_reference: element type");
  }
}

void store(DType dtype, void* memory, std::int64_t at, float value) {
  switch (dtype) {
    case DType::float32:
      static_cast<float*>(memory)[at] = value;
      return;
    case DType::bfloat16:
      static_cast<bfloat16*>(memory)[at] = bfloat16(value);
      return;
    case DType::float16:
      static_cast<float16*>(memory)[at] = float16(value);
      return;
    default:
      throw std::invalid_argument("dnn_reference: element type");
  }
}

// Axes of a tensor in the order in which a matrix holds its elements, and how many of them are the
// matrix's rows.
struct Order {
  std::array<std::size_t, 4> axes{};
  std::size_t rows = 0;
};
constexpr Order kRows{{0, 0, 1, 2}, 3};    // (1, rows, columns); the first axis has extent 1
constexpr Order kPixels{{0, 2, 3, 1}, 3};  // (N, C, H, W) as [N H W, C]
constexpr Order kTaps{{2, 3, 1, 0}, 3};    // (O, I, KH, KW) as [KH KW I, O]

// Calls f(row, column, index) for each element of a matrix, with where it lies in the tensor. A
// tensor of extent 1 along an axis of `shape` is read again and again.
template <class F>
void for_each(const DnnTensor& tensor, const DnnTensor& shape, const Order& order, const F& f) {
  std::array<std::int64_t, 4> extent{}, stride{};
  for (std::size_t i = 0; i < 4; ++i) {
    const std::size_t axis = order.axes[i];
    extent[i] = shape.dims[axis];
    stride[i] = tensor.dims[axis] == 1 ? 0 : tensor.strides[axis];
  }
  Eigen::Index row = 0;
  for (std::int64_t i = 0; i < extent[0]; ++i) {
    for (std::int64_t j = 0; j < extent[1]; ++j) {
      for (std::int64_t k = 0; k < extent[2]; ++k, ++row) {
        const std::int64_t at = i * stride[0] + j * stride[1] + k * stride[2];
        for (std::int64_t l = 0; l < extent[3]; ++l) f(row, l, at + l * stride[3]);
      }
    }
  }
}

Eigen::Index rows_of(const DnnTensor& shape, const Order& order) {
  Eigen::Index rows = 1;
  for (std::size_t i = 0; i < order.rows; ++i) rows *= shape.dims[order.axes[i]];
  return rows;
}

Matrix read(const DnnTensor& tensor, const void* memory, const Order& order) {
  Matrix matrix(rows_of(tensor, order), tensor.dims[order.axes[3]]);
  for_each(tensor, tensor, order, [&](Eigen::Index row, Eigen::Index column, std::int64_t at) {
    matrix(row, column) = load(tensor.dtype, memory, at);
  });
  return matrix;
}

// Bias, epilogue, and the one rounding.
void write(const DnnSpec& spec, const DnnPointers& pointers, Matrix& y, const Order& order) {
  if (spec.bias) {
    const auto add = [&](Eigen::Index row, Eigen::Index column, std::int64_t at) {
      y(row, column) += load(spec.bias->dtype, pointers.bias, at);
    };
    for_each(*spec.bias, spec.y, order, add);
  }
  if (spec.epilogue == DnnEpilogue::relu) y = (y.array() > 0.0).select(y, 0.0);
  if (spec.epilogue == DnnEpilogue::relu_backward) {
    const auto mask = [&](Eigen::Index row, Eigen::Index column, std::int64_t at) {
      if (!(load(spec.aux->dtype, pointers.aux, at) > 0.0)) y(row, column) = 0.0;
    };
    for_each(*spec.aux, spec.y, order, mask);
  }
  for_each(spec.y, spec.y, order, [&](Eigen::Index row, Eigen::Index column, std::int64_t at) {
    store(spec.y.dtype, pointers.y, at, static_cast<float>(y(row, column)));
  });
}

// ---- Convolutions: matrix products with the patches of one image and one group at a time --------

class Patches {
 public:
  Patches(const DnnSpec& spec, const DnnTensor& x, const DnnTensor& kernel, const DnnTensor& y)
      : spec_(spec),
        x_(x.dims),
        kernel_(kernel.dims),
        y_(y.dims),
        patches_(y_[2] * y_[3], kernel_[2] * kernel_[3] * kernel_[1]) {}

  std::int64_t images() const { return x_[0]; }
  std::int64_t groups() const { return x_[1] / kernel_[1]; }
  // Of the matrices that read() makes: where an image's pixels and a group's outputs lie.
  auto part_of(Matrix& y, std::int64_t image, std::int64_t group) const {
    const std::int64_t pixels = y_[2] * y_[3], outputs = kernel_[0] / groups();
    return y.block(image * pixels, group * outputs, pixels, outputs);
  }
  auto part_of_kernel(Matrix& kernel, std::int64_t group) const {
    const std::int64_t outputs = kernel_[0] / groups();
    return kernel.middleCols(group * outputs, outputs);
  }

  // [P Q, KH KW I], with zeros for padding.
  const Matrix& gather(const Matrix& x, std::int64_t image, std::int64_t group) {
    patches_.setZero();
    for_each_tap(image, [&](Eigen::Index row, Eigen::Index column, Eigen::Index pixel) {
      patches_.row(row).segment(column, kernel_[1]) =
          x.row(pixel).segment(group * kernel_[1], kernel_[1]);
    });
    return patches_;
  }
  void scatter(const Matrix& patches, Matrix& x, std::int64_t image, std::int64_t group) const {
    for_each_tap(image, [&](Eigen::Index row, Eigen::Index column, Eigen::Index pixel) {
      x.row(pixel).segment(group * kernel_[1], kernel_[1]) +=
          patches.row(row).segment(column, kernel_[1]);
    });
  }

 private:
  template <class F>
  void for_each_tap(std::int64_t image, const F& f) const {
    for (std::int64_t p = 0; p < y_[2]; ++p) {
      for (std::int64_t q = 0; q < y_[3]; ++q) {
        for (std::int64_t i = 0; i < kernel_[2]; ++i) {
          const std::int64_t h = position(0, p, i);
          if (h < 0 || h >= x_[2]) continue;
          for (std::int64_t j = 0; j < kernel_[3]; ++j) {
            const std::int64_t w = position(1, q, j);
            if (w < 0 || w >= x_[3]) continue;
            f(p * y_[3] + q, (i * kernel_[3] + j) * kernel_[1], (image * x_[2] + h) * x_[3] + w);
          }
        }
      }
    }
  }
  std::int64_t position(std::size_t d, std::int64_t output, std::int64_t tap) const {
    return output * spec_.strides[d] + tap * spec_.dilations[d] - spec_.padding_before[d];
  }

  const DnnSpec& spec_;
  const std::vector<std::int64_t>& x_;
  const std::vector<std::int64_t>& kernel_;
  const std::vector<std::int64_t>& y_;
  Matrix patches_;
};

template <class F>
void for_each_part(const Patches& patches, const F& f) {
  for (std::int64_t image = 0; image < patches.images(); ++image) {
    for (std::int64_t group = 0; group < patches.groups(); ++group) f(image, group);
  }
}

void run_forward(const DnnSpec& spec, const DnnPointers& pointers) {
  const Matrix x = read(spec.a, pointers.a, kPixels);
  Matrix kernel = read(spec.b, pointers.b, kTaps);
  Matrix y(rows_of(spec.y, kPixels), spec.y.dims[1]);
  Patches patches(spec, spec.a, spec.b, spec.y);
  for_each_part(patches, [&](std::int64_t image, std::int64_t group) {
    patches.part_of(y, image, group).noalias() =
        patches.gather(x, image, group) * patches.part_of_kernel(kernel, group);
  });
  write(spec, pointers, y, kPixels);
}

void run_backward_data(const DnnSpec& spec, const DnnPointers& pointers) {
  Matrix dy = read(spec.a, pointers.a, kPixels);
  Matrix kernel = read(spec.b, pointers.b, kTaps);
  Matrix dx = Matrix::Zero(rows_of(spec.y, kPixels), spec.y.dims[1]);
  Patches patches(spec, spec.y, spec.b, spec.a);
  Matrix slopes;
  for_each_part(patches, [&](std::int64_t image, std::int64_t group) {
    slopes.noalias() =
        patches.part_of(dy, image, group) * patches.part_of_kernel(kernel, group).transpose();
    patches.scatter(slopes, dx, image, group);
  });
  write(spec, pointers, dx, kPixels);
}

void run_backward_weights(const DnnSpec& spec, const DnnPointers& pointers) {
  Matrix dy = read(spec.a, pointers.a, kPixels);
  const Matrix x = read(spec.b, pointers.b, kPixels);
  Matrix dkernel = Matrix::Zero(rows_of(spec.y, kTaps), spec.y.dims[0]);
  Patches patches(spec, spec.b, spec.y, spec.a);
  for_each_part(patches, [&](std::int64_t image, std::int64_t group) {
    patches.part_of_kernel(dkernel, group).noalias() +=
        patches.gather(x, image, group).transpose() * patches.part_of(dy, image, group);
  });
  write(spec, pointers, dkernel, kTaps);
}

// One product of a batch, whose tensors have the dims (1, rows, columns).
void run_product(const DnnSpec& spec, const DnnPointers& pointers) {
  const Matrix a = read(spec.a, pointers.a, kRows), b = read(spec.b, pointers.b, kRows);
  Matrix y = a * b;
  write(spec, pointers, y, kRows);
}

// The tensor's matrix at a place of the batch, and where it lies.
DnnTensor matrix_at(const DnnTensor& tensor, const std::vector<std::int64_t>& place,
                    const void*& data) {
  DnnTensor matrix = tensor;
  std::int64_t offset = 0;
  for (std::size_t axis = 0; axis < place.size(); ++axis) {
    if (tensor.dims[axis] > 1) offset += place[axis] * tensor.strides[axis];
  }
  matrix.dims.erase(matrix.dims.begin(), matrix.dims.end() - 2);
  matrix.strides.erase(matrix.strides.begin(), matrix.strides.end() - 2);
  matrix.dims.insert(matrix.dims.begin(), 1);
  matrix.strides.insert(matrix.strides.begin(), matrix.dims[1] * matrix.dims[2]);
  data = static_cast<const std::byte*>(data) +
         offset * static_cast<std::int64_t>(size_of(tensor.dtype));
  return matrix;
}

void run_matmul(const DnnSpec& spec, const DnnPointers& pointers) {
  const std::vector<std::int64_t> batch(spec.y.dims.begin(), spec.y.dims.end() - 2);
  std::int64_t count = 1;
  for (const std::int64_t extent : batch) count *= extent;
  for (std::int64_t i = 0; i < count; ++i) {
    std::vector<std::int64_t> place(batch.size());
    std::int64_t rest = i;
    for (std::size_t axis = batch.size(); axis-- > 0; rest /= batch[axis]) {
      place[axis] = rest % batch[axis];
    }
    DnnSpec one = spec;
    DnnPointers at = pointers;
    const void* y = at.y;
    one.a = matrix_at(spec.a, place, at.a);
    one.b = matrix_at(spec.b, place, at.b);
    if (spec.bias) one.bias = matrix_at(*spec.bias, place, at.bias);
    if (spec.aux) one.aux = matrix_at(*spec.aux, place, at.aux);
    one.y = matrix_at(spec.y, place, y);
    at.y = const_cast<void*>(y);
    run_product(one, at);
  }
}

}  // namespace

void run_dnn_reference(const DnnSpec& spec, const DnnPointers& pointers) {
  switch (spec.kind) {
    case DnnKind::matmul:
      return run_matmul(spec, pointers);
    case DnnKind::conv_forward:
      return run_forward(spec, pointers);
    case DnnKind::conv_backward_data:
      return run_backward_data(spec, pointers);
    case DnnKind::conv_backward_weights:
      return run_backward_weights(spec, pointers);
  }
}

}  // namespace stoker::test

// Tensors, slots, batches and weights as matrices of Eigen's, without a copy. The program has Eigen
// 3.4 (Debian's libeigen3-dev; in CMake Eigen3::Eigen); stoker/stoker.h does not include this
// header.
//
//   auto batches = generator<float, float>({.x = {64, 8}, .y = {64, 1}},
//       [&](BatchContext& batch, std::span<float> x, std::span<float> y) {
//         auto inputs = as_matrix(x, 64);               // the slot itself, (64, 8)
//         inputs.setRandom();
//         as_matrix(y, 64) = inputs * coefficients;     // Eigen writes where the step will read
//       });
//
// Matrices are in C order, as tensors are. A map is a view: it is valid as long as the memory, and
// whoever may read or write that may do so by the map, on the same thread's terms.
#pragma once

#include <Eigen/Core>

#include <cstdint>
#include <span>
#include <string>

#include "stoker/error.h"
#include "stoker/shape.h"
#include "stoker/tensor.h"

namespace stoker {

template <class T>
using EigenMatrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
template <class T>
using MatrixMap = Eigen::Map<EigenMatrix<T>>;
template <class T>
using ConstMatrixMap = Eigen::Map<const EigenMatrix<T>>;

// So many rows, over which the elements are shared out: a slot's field of shape (rows, ...), with
// everything behind the rows in one axis. Throws ShapeError where the rows don't come out even.
template <class T>
auto as_matrix(std::span<T> elements, std::int64_t rows) {
  const auto size = static_cast<std::int64_t>(elements.size());
  if (rows < 1 || size % rows != 0) {
    throw ShapeError("as_matrix: expected rows of one length, received " + std::to_string(size) +
                     " elements for " + std::to_string(rows) + " rows");
  }
  using Value = std::remove_const_t<T>;
  using Map = std::conditional_t<std::is_const_v<T>, ConstMatrixMap<Value>, MatrixMap<Value>>;
  return Map(elements.data(), rows, size / rows);
}

// A tensor (n, ...) as n rows; one of rank 1 as a column, and of rank 0 as one element. Throws
// DTypeError if T is not its element type. A map of a temporary would dangle, and does not compile.
template <class T = float>
MatrixMap<T> as_matrix(Tensor& tensor) {
  return as_matrix(tensor.data<T>(), tensor.shape().rank() == 0 ? 1 : tensor.shape()[0]);
}
template <class T = float>
ConstMatrixMap<T> as_matrix(const Tensor& tensor) {
  return as_matrix(tensor.data<T>(), tensor.shape().rank() == 0 ? 1 : tensor.shape()[0]);
}
template <class T = float>
void as_matrix(Tensor&& tensor) = delete;

// The elements as a column.
template <class T>
auto as_vector(std::span<T> elements) {
  using Vector = Eigen::Matrix<std::remove_const_t<T>, Eigen::Dynamic, 1>;
  using Map = Eigen::Map<std::conditional_t<std::is_const_v<T>, const Vector, Vector>>;
  return Map(elements.data(), static_cast<Eigen::Index>(elements.size()));
}

// Copies a matrix, or what an expression of Eigen's computes, into a tensor (rows, columns).
// Doubles become float32.
template <class Derived>
Tensor to_tensor(const Eigen::MatrixBase<Derived>& matrix) {
  using Scalar = typename Derived::Scalar;
  using T = std::conditional_t<std::is_same_v<Scalar, double>, float, Scalar>;
  Tensor tensor(Shape{matrix.rows(), matrix.cols()}, dtype_of<T>);
  as_matrix<T>(tensor) = matrix.template cast<T>();
  return tensor;
}

}  // namespace stoker

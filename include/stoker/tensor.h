// Tensors in host memory, in which weights, predictions and data sets are handed over.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <memory>
#include <span>

#include "stoker/dtype.h"
#include "stoker/shape.h"

namespace stoker {

// A dense tensor in C order (last axis fastest) in memory aligned to 64 bytes. A tensor is a value:
// copies are deep, moves are free. It is not synchronised: one thread may write, or many may read.
class Tensor {
 public:
  Tensor() = default;
  // Makes a tensor of zeros. Throws ShapeError for a shape with unknown extents.
  explicit Tensor(Shape shape, DType dtype = DType::float32);
  Tensor(const Tensor& other);
  Tensor& operator=(const Tensor& other);
  Tensor(Tensor&& other) noexcept;
  Tensor& operator=(Tensor&& other) noexcept;
  ~Tensor();

  // Copies `values`. Throws ShapeError if their number is not shape.elements().
  template <class T>
  static Tensor from(Shape shape, std::span<const T> values) {
    static_assert(is_slot_type<T>, "Tensor holds float, int32_t, uint8_t, bfloat16 or float16");
    return from_bytes(shape, dtype_of<T>, values.data(), values.size());
  }
  template <class T>
  static Tensor from(Shape shape, std::initializer_list<T> values) {
    return from(shape, std::span<const T>(values.begin(), values.size()));
  }
  static Tensor full(Shape shape, float value);
  // These make float32 random numbers, by Philox4x32-10 keyed by `seed`: uniform in [low, high), or
  // normal.
  static Tensor uniform(Shape shape, float low = 0.0f, float high = 1.0f, std::uint64_t seed = 0);
  static Tensor normal(Shape shape, float mean = 0.0f, float stddev = 1.0f, std::uint64_t seed = 0);

  const Shape& shape() const { return shape_; }
  DType dtype() const { return dtype_; }
  std::int64_t size() const { return size_; }
  std::size_t bytes() const { return static_cast<std::size_t>(size_) * size_of(dtype_); }
  bool empty() const { return size_ == 0; }

  void* raw() { return data_.get(); }
  const void* raw() const { return data_.get(); }

  // Returns the elements. Throws DTypeError if T is not the tensor's element type.
  template <class T>
  std::span<T> data() {
    require(dtype_of<T>);
    return {static_cast<T*>(raw()), static_cast<std::size_t>(size_)};
  }
  template <class T>
  std::span<const T> data() const {
    require(dtype_of<T>);
    return {static_cast<const T*>(raw()), static_cast<std::size_t>(size_)};
  }

  // Returns the same elements in another shape with as many elements; one extent may be kUnknown
  // and is then inferred.
  Tensor reshaped(Shape shape) const&;
  Tensor reshaped(Shape shape) &&;
  // Returns a copy of rows [begin, end) along the first axis.
  Tensor rows(std::int64_t begin, std::int64_t end) const;

 private:
  struct Free {
    void operator()(void* memory) const;
  };
  static Tensor from_bytes(Shape shape, DType dtype, const void* values, std::size_t count);
  void require(DType dtype) const;

  Shape shape_;
  DType dtype_ = DType::float32;
  std::int64_t size_ = 0;
  std::unique_ptr<void, Free> data_;
};

// Prints type, shape and elements, a row on each line; of long axes the first and last three.
std::ostream& operator<<(std::ostream& out, const Tensor& tensor);

}  // namespace stoker

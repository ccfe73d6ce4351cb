#include "stoker/tensor.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <new>
#include <utility>

#include "core/foreign.h"
#include "core/format.h"
#include "stoker/error.h"
#include "stoker/random.h"

namespace stoker {
namespace {

constexpr std::align_val_t kAlignment{64};

// Returns uninitialised memory, or null for no bytes.
void* allocate(std::size_t bytes) {
  if (bytes == 0) return nullptr;
  return with_own_errors<DeviceError>(format("Tensor of ", bytes, " bytes"),
                                      [&] { return ::operator new(bytes, kAlignment); });
}

// memcpy must not get a null pointer, even for no bytes.
void copy_bytes(void* to, const void* from, std::size_t bytes) {
  if (bytes > 0) std::memcpy(to, from, bytes);
}

std::int64_t checked_size(const Shape& shape, DType dtype) {
  const std::int64_t size = shape.elements();
  if (size < 0) throw ShapeError(format("Tensor: expected a known shape, received ", shape));
  const auto width = static_cast<std::int64_t>(size_of(dtype));
  if (size > std::numeric_limits<std::int64_t>::max() / width) {
    throw ShapeError(
        format("Tensor: expected fewer than 2^63 bytes, received ", shape, " of ", dtype));
  }
  return size;
}

// Returns `shape` with its unknown extent, if any, replaced so that it has `size` elements.
Shape inferred(Shape shape, const Shape& from, std::int64_t size) {
  const auto unknowns = std::count(shape.begin(), shape.end(), Shape::kUnknown);
  if (unknowns == 1) {
    std::size_t axis = 0;
    while (shape[axis] >= 0) ++axis;
    shape[axis] = 1;
    const std::int64_t rest = shape.elements();
    shape[axis] = rest > 0 && size % rest == 0 ? size / rest : Shape::kUnknown;
  }
  if (shape.elements() != size) {
    throw ShapeError(format("Tensor::reshaped: expected a shape of ", size, " elements as ", from,
                            " has, received ", shape));
  }
  return shape;
}

}  // namespace

void Tensor::Free::operator()(void* memory) const { ::operator delete(memory, kAlignment); }

Tensor::Tensor(Shape shape, DType dtype)
    : shape_(shape), dtype_(dtype), size_(checked_size(shape, dtype)), data_(allocate(bytes())) {
  if (bytes() > 0) std::memset(raw(), 0, bytes());
}

Tensor::Tensor(const Tensor& other)
    : shape_(other.shape_),
      dtype_(other.dtype_),
      size_(other.size_),
      data_(allocate(other.bytes())) {
  copy_bytes(raw(), other.raw(), bytes());
}

Tensor& Tensor::operator=(const Tensor& other) {
  if (this != &other) *this = Tensor(other);
  return *this;
}

Tensor::Tensor(Tensor&& other) noexcept
    : shape_(std::exchange(other.shape_, Shape())),
      dtype_(std::exchange(other.dtype_, DType::float32)),
      size_(std::exchange(other.size_, 0)),
      data_(std::move(other.data_)) {}

Tensor& Tensor::operator=(Tensor&& other) noexcept {
  if (this != &other) {
    shape_ = std::exchange(other.shape_, Shape());
    dtype_ = std::exchange(other.dtype_, DType::float32);
    size_ = std::exchange(other.size_, 0);
    data_ = std::move(other.data_);
  }
  return *this;
}

Tensor::~Tensor() = default;

Tensor Tensor::from_bytes(Shape shape, DType dtype, const void* values, std::size_t count) {
  const std::int64_t size = checked_size(shape, dtype);
  if (static_cast<std::size_t>(size) != count) {
    throw ShapeError(
        format("Tensor::from: expected ", size, " values for ", shape, ", received ", count));
  }
  Tensor tensor;
  tensor.data_.reset(allocate(count * size_of(dtype)));
  tensor.shape_ = shape;
  tensor.dtype_ = dtype;
  tensor.size_ = size;
  copy_bytes(tensor.raw(), values, tensor.bytes());
  return tensor;
}

Tensor Tensor::full(Shape shape, float value) {
  Tensor tensor(shape);
  std::ranges::fill(tensor.data<float>(), value);
  return tensor;
}

Tensor Tensor::uniform(Shape shape, float low, float high, std::uint64_t seed) {
  Tensor tensor(shape);
  Random(seed).fill_uniform(tensor.data<float>(), low, high);
  return tensor;
}

Tensor Tensor::normal(Shape shape, float mean, float stddev, std::uint64_t seed) {
  Tensor tensor(shape);
  Random(seed).fill_normal(tensor.data<float>(), mean, stddev);
  return tensor;
}

Tensor Tensor::reshaped(Shape shape) const& { return Tensor(*this).reshaped(shape); }

Tensor Tensor::reshaped(Shape shape) && {
  const Shape target = inferred(shape, shape_, size_);
  Tensor result = std::move(*this);
  result.shape_ = target;
  return result;
}

Tensor Tensor::rows(std::int64_t begin, std::int64_t end) const {
  if (shape_.rank() == 0) {
    throw ShapeError(format("Tensor::rows: expected rank 1 or more, received ", shape_));
  }
  if (begin < 0 || end < begin || end > shape_[0]) {
    throw ShapeError(format("Tensor::rows: expected a range within [0, ", shape_[0],
                            "), received [", begin, ", ", end, ")"));
  }
  const Shape shape = shape_.without_batch().with_batch(end - begin);
  const auto count = static_cast<std::size_t>(shape.elements());
  const std::size_t row_bytes = shape_[0] == 0 ? 0 : bytes() / static_cast<std::size_t>(shape_[0]);
  const auto* first = static_cast<const std::byte*>(raw());
  if (count > 0) first += static_cast<std::size_t>(begin) * row_bytes;
  return from_bytes(shape, dtype_, first, count);
}

void Tensor::require(DType dtype) const {
  if (dtype != dtype_) {
    throw DTypeError(format("Tensor::data: expected ", dtype_, " as the tensor ", shape_,
                            " holds, received a request for ", dtype));
  }
}

}  // namespace stoker

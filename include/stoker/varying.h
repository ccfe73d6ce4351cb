// Components of a Dataset's elements whose shapes differ from element to element: sentences, sound,
// images of several sizes. An extent that differs is Shape::kUnknown in the data set's shapes.
//
//   auto words = lines.map<std::int32_t>(
//       {Shape{Shape::kUnknown}}, [](VaryingInput<std::uint8_t> text, VaryingOutput<std::int32_t>
//       out) {
//         const std::vector<std::int32_t> ids = ids_of(text.values());
//         const std::span<std::int32_t> to = out.take({static_cast<std::int64_t>(ids.size())});
//         std::copy(ids.begin(), ids.end(), to.begin());
//       });
//   model.fit(words.padded_batch(32, {Shape{128}}));
#pragma once

#include <cstddef>
#include <span>

#include "stoker/detail/dataset_sink.h"
#include "stoker/dtype.h"
#include "stoker/shape.h"

namespace stoker {
namespace detail {
[[noreturn]] void throw_not_taken(std::size_t component);
}  // namespace detail

// A component as the function of a map reads it: values in C order, and their shape. It converts to
// std::span<const T>, for functions that need no shape. The values are valid during the call.
template <class T>
class VaryingInput {
 public:
  VaryingInput(std::span<const T> values, const Shape& shape) : values_(values), shape_(shape) {}
  std::span<const T> values() const { return values_; }
  const Shape& shape() const { return shape_; }
  operator std::span<const T>() const { return values_; }

 private:
  std::span<const T> values_;
  Shape shape_;
};

// The place of a component that a function writes. It takes memory once it knows the shape. Copies
// stand for the same place.
template <class T>
class VaryingOutput {
 public:
  VaryingOutput(detail::Sink<T>& sink, const Shape& declared, bool& is_taken)
      : sink_(&sink), declared_(&declared), is_taken_(&is_taken) {}

  // Returns memory for values of this shape in C order; what it holds is not specified. Throws
  // ShapeError if the data set was declared with another shape: the same extents, but for those
  // that are Shape::kUnknown there.
  std::span<T> take(const Shape& shape) const {
    if (!detail::is_compatible(shape, *declared_)) {
      detail::throw_wrong_shape(*declared_, shape, "The data set was declared with that shape");
    }
    *is_taken_ = true;
    return sink_->take(shape);
  }
  // Stands for take() of the declared shape, of which every extent is known: for a label, say.
  operator std::span<T>() const { return take(*declared_); }

 private:
  detail::Sink<T>* sink_;
  const Shape* declared_;
  bool* is_taken_;
};

}  // namespace stoker

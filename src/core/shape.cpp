#include "stoker/shape.h"

#include <algorithm>

#include "core/format.h"
#include "stoker/error.h"

namespace stoker {
namespace {

void check_extent(std::int64_t extent) {
  if (extent < Shape::kUnknown) {
    throw ShapeError(format("Shape: expected extents of 0 or more (", Shape::kUnknown,
                            " for an unknown one), received ", extent));
  }
}

[[noreturn]] void throw_rank(std::size_t rank) {
  throw ShapeError(
      format("Shape: expected at most ", Shape::kMaxRank, " extents, received ", rank));
}

}  // namespace

Shape::Shape(std::initializer_list<std::int64_t> extents)
    : Shape(std::span<const std::int64_t>(extents.begin(), extents.size())) {}

Shape::Shape(std::span<const std::int64_t> extents) : rank_(extents.size()) {
  if (rank_ > kMaxRank) throw_rank(rank_);
  std::for_each(extents.begin(), extents.end(), check_extent);
  std::copy(extents.begin(), extents.end(), extents_.begin());
}

std::int64_t Shape::elements() const {
  if (!is_known()) return kUnknown;
  // A zero extent makes the product zero, even where the product of the others would overflow.
  if (std::find(begin(), end(), 0) != end()) return 0;
  std::int64_t product = 1;
  for (const std::int64_t extent : extents()) {
    if (__builtin_mul_overflow(product, extent, &product)) {
      throw ShapeError(format("Shape ", *this, ": expected fewer than 2^63 elements"));
    }
  }
  return product;
}

bool Shape::is_known() const {
  return std::none_of(begin(), end(), [](std::int64_t extent) { return extent < 0; });
}

Shape Shape::without_batch() const {
  if (rank_ == 0) throw ShapeError("Shape: expected a batch axis to remove, received ()");
  return Shape(extents().subspan(1));
}

Shape Shape::with_batch(std::int64_t batch) const {
  Shape result({batch});
  for (const std::int64_t extent : extents()) result.push_back(extent);
  return result;
}

void Shape::push_back(std::int64_t extent) {
  if (rank_ == kMaxRank) throw_rank(rank_ + 1);
  check_extent(extent);
  extents_[rank_++] = extent;
}

bool operator==(const Shape& a, const Shape& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

std::string to_string(const Shape& shape) {
  std::string text = "(";
  for (std::size_t axis = 0; axis < shape.rank(); ++axis) {
    if (axis > 0) text += ", ";
    text += shape[axis] < 0 ? "None" : std::to_string(shape[axis]);
  }
  // Python writes a tuple of one element with a comma, to tell it from a parenthesis.
  text += shape.rank() == 1 ? ",)" : ")";
  return text;
}

}  // namespace stoker

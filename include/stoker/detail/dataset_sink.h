// The memory that elements of a Dataset are written to, and their numbers. Programs include
// stoker/dataset.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "stoker/shape.h"

namespace stoker::detail {

inline constexpr std::int64_t kInfinite = -1;
inline constexpr std::int64_t kUnknownCardinality = -2;

// Throws ShapeError; its advice is padded_batch() unless another one is given.
[[noreturn]] void throw_wrong_shape(const Shape& expected, const Shape& received,
                                    const char* advice = nullptr);
inline constexpr const char* kShortAdvice =
    "A short window or batch has fewer rows: drop_remainder leaves it out, padded_batch() fills it "
    "up";
[[noreturn]] void throw_different_rows(const std::string& where, const Shape& a, const Shape& b);
// These two are called while an exception is being handled, and nest it. The first one throws a
// DataError that names stage and element; the second one does so only if the exception is no
// stoker::Error.
[[noreturn]] void throw_in_stage(const std::string& stage, std::int64_t ordinal);
[[noreturn]] void rethrow_foreign(const char* where);

// Calls f(), and turns every exception that is no stoker::Error into one.
template <class F>
decltype(auto) guarded(F&& f) {
  try {
    return std::forward<F>(f)();
  } catch (...) {
    rethrow_foreign("Dataset");
  }
}

// ---- Numbers of elements ----
// Returns the product, or 2^63 - 1 if it would exceed that.
inline std::int64_t product_of(std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  const bool overflows = __builtin_mul_overflow(a, b, &result);
  return overflows ? std::numeric_limits<std::int64_t>::max() : result;
}
inline std::int64_t sum_of(std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  const bool overflows = __builtin_add_overflow(a, b, &result);
  return overflows ? std::numeric_limits<std::int64_t>::max() : result;
}
template <class N>
constexpr N smaller_of(N a, N b) {
  return b < a ? b : a;
}
template <class N>
constexpr N larger_of(N a, N b) {
  return a < b ? b : a;
}
constexpr std::int64_t divided_up(std::int64_t a, std::int64_t b) {
  return a / b + (a % b != 0 ? 1 : 0);
}
// The number of an element is first + index * step. This throws ValueError if there is no such
// number.
[[noreturn]] void throw_no_number(std::int64_t first, std::int64_t step, std::int64_t index);
inline std::int64_t element_number(std::int64_t first, std::int64_t step, std::int64_t index) {
  std::int64_t number = 0;
  if (__builtin_mul_overflow(index, step, &number) ||
      __builtin_add_overflow(number, first, &number)) {
    throw_no_number(first, step, index);
  }
  return number;
}

inline bool has_unknown(const Shape& shape) {
  for (const std::int64_t extent : shape) {
    if (extent == Shape::kUnknown) return true;
  }
  return false;
}
// Returns whether elements of shape `a` fit where shape `b` is expected. An unknown extent fits
// any.
bool is_compatible(const Shape& a, const Shape& b);

// Copies elements of a slot's type, which are plain bytes, into memory that does not overlap them.
template <class T>
void copy_values(std::span<const T> from, std::span<T> to) {
  if (!from.empty()) std::memcpy(to.data(), from.data(), from.size_bytes());
}

// The place that one component of an element is written to: memory of a fixed shape (a row of the
// pinned slot), or memory of its own that grows to what is written.
template <class T>
class Sink {
 public:
  Sink() = default;
  Sink(std::span<T> memory, const Shape& shape) : memory_(memory), shape_(shape), fixed_(true) {}

  // Returns memory for a component of this shape. Throws ShapeError if the shape is fixed to
  // another.
  std::span<T> take(const Shape& shape) {
    if ((fixed_ || !own_.empty()) && has_shape(shape)) return values();
    return take_other(shape);
  }
  // Makes the next element, of the shape that the sink is fixed to, go into `memory`.
  void move_to(std::span<T> memory) {
    memory_ = memory;
    rows_ = -1;
  }
  // Says that the memory that was taken has fewer rows after all.
  void set_rows(std::int64_t rows) { rows_ = rows; }

  bool is_fixed() const { return fixed_; }
  std::int64_t rows() const { return rows_; }
  Shape shape() const {
    Shape shape = shape_;
    if (rows_ >= 0) shape[0] = rows_;
    return shape;
  }
  // Returns the shape of all rows, those that were not written among them.
  const Shape& shape_of_memory() const { return shape_; }
  std::span<const T> values() const { return fixed_ ? std::span<const T>(memory_) : own_; }
  std::span<T> values() { return fixed_ ? memory_ : std::span<T>(own_); }
  // Returns the values of the rows that were written.
  std::span<const T> present() const {
    return rows_ < 0 ? values() : values().first(static_cast<std::size_t>(shape().elements()));
  }
  std::span<T> present() {
    return rows_ < 0 ? values() : values().first(static_cast<std::size_t>(shape().elements()));
  }
  void reset() { rows_ = -1; }

 private:
  // This is a function of its own, so that take() is in line.
  [[gnu::noinline]] std::span<T> take_other(const Shape& shape) {
    if (fixed_) throw_wrong_shape(shape_, shape);
    shape_ = shape;
    own_.resize(static_cast<std::size_t>(shape.elements()));
    return own_;
  }
  // This is in line, since for a small element a call would take longer than the comparison.
  bool has_shape(const Shape& shape) const {
    bool same = shape.rank() == shape_.rank();
    for (std::size_t axis = 0; same && axis < shape.rank(); ++axis) {
      same = shape[axis] == shape_[axis];
    }
    return same;
  }

  std::span<T> memory_;
  std::vector<T> own_;
  Shape shape_;
  bool fixed_ = false;
  std::int64_t rows_ = -1;
};

template <class... T>
using Sinks = std::tuple<Sink<T>...>;

template <class... T>
void copy_element(const Sinks<T...>& from, Sinks<T...>& to) {
  const auto copy = [](const auto& source, auto& target) {
    target.reset();
    const std::span values = source.values();
    const auto count = static_cast<std::size_t>(source.shape().elements());
    // A short batch goes into memory for a whole one.
    if (target.is_fixed() && source.rows() >= 0) {
      if (count > target.values().size()) throw_wrong_shape(target.shape(), source.shape());
      copy_values(values.first(count), target.values());
    } else {
      copy_values(values.first(count), target.take(source.shape()));
    }
    if (source.rows() >= 0) target.set_rows(source.rows());
  };
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    (copy(std::get<I>(from), std::get<I>(to)), ...);
  }
  (std::index_sequence_for<T...>{});
}

// Does as copy_element(), but memory that is not fixed changes hands instead.
template <class... T>
void move_element(Sinks<T...>& from, Sinks<T...>& to) {
  bool any_fixed = false;
  std::apply([&](const auto&... sinks) { any_fixed = (sinks.is_fixed() || ...); }, to);
  if (any_fixed) {
    copy_element(from, to);
  } else {
    std::swap(from, to);
  }
}

}  // namespace stoker::detail

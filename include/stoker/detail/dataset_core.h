// The common part of a Dataset's stages. Programs include stoker/dataset.h.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "stoker/dtype.h"
#include "stoker/error.h"
#include "stoker/random.h"
#include "stoker/shape.h"
#include "stoker/source.h"

namespace stoker::detail {

inline constexpr std::int64_t kInfinite = -1;
inline constexpr std::int64_t kUnknownCardinality = -2;

// One pass through a data set. Everything random in it is a function of the Pass, of the stage, and
// of the element's number.
struct Pass {
  std::uint64_t seed = 0;
  std::int64_t epoch = 0;
};

// Returns the pass of a branch, which draws other random numbers than its neighbours at the same
// depth.
inline Pass branch_of(const Pass& pass, std::int64_t branch) {
  return {pass.seed + static_cast<std::uint64_t>(branch) * 0xd1342543de82ef95U, pass.epoch};
}

Random element_random(const Pass& pass, std::uint32_t stage, std::int64_t ordinal);
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
    if (fixed_) {
      if (!is_fixed_to(shape)) throw_wrong_shape(shape_, shape);
      return memory_;
    }
    shape_ = shape;
    own_.resize(static_cast<std::size_t>(shape.elements()));
    return own_;
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
  // This is in line, since for a small element a call would take longer than the comparison.
  bool is_fixed_to(const Shape& shape) const {
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

// Goes through the elements once. One thread at a time may use it.
template <class... T>
class Cursor {
 public:
  virtual ~Cursor() = default;
  // Returns false at the end; the sinks then hold nothing.
  virtual bool next(Sinks<T...>& out) = 0;
};

// The function that get_each() calls as soon as an element has been made, with its index among
// those that were asked for. The object only refers to the function, which must outlive the call,
// and allocates nothing.
class ElementCallback {
 public:
  template <class F>
  requires(!std::is_same_v<F, ElementCallback>) ElementCallback(const F& f)
      : function_(&f), call_([](const void* function, std::size_t place) {
          (*static_cast<const F*>(function))(place);
        }) {}
  void operator()(std::size_t place) const { call_(function_, place); }

 private:
  const void* function_;
  void (*call_)(const void*, std::size_t);
};

// The part of a stage that doesn't depend on its element types.
class StageBase {
 public:
  // `inputs` are the stages before this one, which it keeps alive.
  explicit StageBase(std::initializer_list<const StageBase*> inputs) : inputs_(inputs) {
    for (const StageBase* input : inputs_) depth_ = larger_of(depth_, input->depth() + 1);
  }
  virtual ~StageBase() = default;

  // Returns the number of stages before this one, which is a part of the key of its random numbers.
  std::uint32_t depth() const { return depth_; }
  virtual std::int64_t cardinality() const = 0;
  // Returns whether elements can be asked for by number, in any order and by several threads.
  virtual bool is_random_access() const { return false; }
  // Returns whether a pass is the same whichever passes were made before it. It is not while a
  // cache waits to be filled, since its elements then are those of the pass that fills it.
  virtual bool is_settled() const {
    for (const StageBase* input : inputs_) {
      if (!input->is_settled()) return false;
    }
    return true;
  }

 private:
  const std::vector<const StageBase*> inputs_;
  std::uint32_t depth_ = 0;
};

// A step of the pipeline: immutable, shared, and usable by any number of cursors at a time.
template <class... T>
class Stage : public StageBase {
 public:
  using Shapes = std::array<Shape, sizeof...(T)>;

  Stage(const Shapes& shapes, std::initializer_list<const StageBase*> inputs)
      : StageBase(inputs), shapes_(shapes) {}

  // Returns the shapes of an element's components; an extent that differs from element to element
  // is kUnknown.
  const Shapes& shapes() const { return shapes_; }
  // Goes through a pass, from its element number `first` on. The elements before it are made only
  // where later ones depend on that; functions of maps aren't called for them then.
  virtual std::unique_ptr<Cursor<T...>> begin(const Pass& pass, std::int64_t first = 0) const = 0;

  virtual void get(const Pass&, std::int64_t, Sinks<T...>&) const {}

  // Does as get() for each of `indices` in turn. All elements go into `out`, from where
  // `on_element` takes them. Work that a stage has to do once is done once for all of them.
  static constexpr std::size_t kMostAtOnce = 64;  // indices
  virtual void get_each(const Pass& pass, std::span<const std::int64_t> indices, Sinks<T...>& out,
                        const ElementCallback& on_element) const {
    for (std::size_t i = 0; i < indices.size(); ++i) {
      get(pass, indices[i], out);
      on_element(i);
    }
  }

 protected:
  // Implements get_each() for stages whose elements have other numbers in the stage before.
  template <class Number>
  static void get_each_of(const Stage& input, const Pass& pass,
                          std::span<const std::int64_t> indices, Sinks<T...>& out,
                          const ElementCallback& on_element, Number&& number) {
    std::array<std::int64_t, kMostAtOnce> before;
    for (std::size_t i = 0; i < indices.size(); ++i) before[i] = number(indices[i]);
    input.get_each(pass, std::span(before).first(indices.size()), out, on_element);
  }

 private:
  const Shapes shapes_;
};

template <class... T>
using StagePtr = std::shared_ptr<const Stage<T...>>;

// The cursor of stages whose elements can be asked for by number.
template <class... T>
class IndexCursor final : public Cursor<T...> {
 public:
  IndexCursor(const Stage<T...>& stage, const Pass& pass, std::int64_t first)
      : stage_(stage), pass_(pass), next_(first) {}
  bool next(Sinks<T...>& out) override {
    const std::int64_t count = stage_.cardinality();
    if (count != kInfinite && next_ >= count) return false;
    stage_.get(pass_, next_++, out);
    return true;
  }

 private:
  const Stage<T...>& stage_;
  const Pass pass_;
  std::int64_t next_;
};

// Passes over `count` elements by making them, and returns the cursor.
template <class... T>
std::unique_ptr<Cursor<T...>> passed_over(std::unique_ptr<Cursor<T...>> cursor,
                                          std::int64_t count) {
  Sinks<T...> dropped;
  for (std::int64_t i = 0; i < count && cursor->next(dropped); ++i) {
  }
  return cursor;
}

// The cursor that calls a function object.
template <class Next, class... T>
class FunctionCursor final : public Cursor<T...> {
 public:
  explicit FunctionCursor(Next next) : next_(std::move(next)) {}
  bool next(Sinks<T...>& out) override { return next_(out); }

 private:
  Next next_;
};
template <class... T, class Next>
std::unique_ptr<Cursor<T...>> function_cursor(Next next) {
  return std::make_unique<FunctionCursor<Next, T...>>(std::move(next));
}

// An order of [0, size) for each pass.
class EpochOrder {
 public:
  EpochOrder(std::int64_t size, std::uint64_t seed, bool reshuffle);
  ~EpochOrder();
  EpochOrder(const EpochOrder&) = delete;
  EpochOrder& operator=(const EpochOrder&) = delete;
  std::int64_t at(std::int64_t epoch, std::int64_t index) const;
  // Does as at() for each of `indices`, in less time.
  void at(std::int64_t epoch, std::span<const std::int64_t> indices,
          std::span<std::int64_t> out) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

template <std::size_t N, class F>
void for_each_index(F&& f) {
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    (f(std::integral_constant<std::size_t, I>{}), ...);
  }
  (std::make_index_sequence<N>{});
}

}  // namespace stoker::detail

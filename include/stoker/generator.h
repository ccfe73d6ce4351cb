// Generators: the user's own sources of batches, typed, which write straight into the slot.
#pragma once

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "stoker/source.h"

namespace stoker {

// The shapes of a batch, batch extent first. One input, one target and one weight for all targets
// are x, y and sample_weight; several go into `inputs`, `targets` and `sample_weights`. Fields are
// ordered: inputs, targets, sample weights.
struct BatchShapes {
  Shape x{};
  Shape y{};
  Shape sample_weight{};  // {32}, if the source gives weights
  std::vector<Shape> inputs{};
  std::vector<Shape> targets{};
  std::vector<Shape> sample_weights{};  // one for each target, in their order
};

namespace detail {
// Makes a spec. Throws ValueError if the number of types differs from the number of shapes,
// ShapeError for shapes without a batch extent or with different ones, and for sample weights that
// are neither one nor one for each target.
BatchSpec make_spec(const BatchShapes& shapes, std::span<const DType> types);

// Returns the slot's type for a field; float32 stands in for types that no slot holds.
template <class T>
constexpr DType field_type() {
  if constexpr (is_slot_type<T>) {
    return dtype_of<T>;
  } else {
    return DType::float32;
  }
}
// Throws for a source of such types that came to a feed without cast(), past SourceHandle's check.
[[noreturn]] void throw_no_slot_type();
[[noreturn]] void throw_no_source(const char* where);
// Throws for a cast() of batches that are made in the device's memory, where it can't convert them.
[[noreturn]] void throw_cast_on_device();

// Whether the file that includes this header is compiled with optimisation. Each such file has its
// own constant.
#ifdef __OPTIMIZE__
constexpr bool kOptimized = true;
#else
constexpr bool kOptimized = false;
#endif
}  // namespace detail

// A generator to derive from, for sources with state of their own:
//
//   class Faces : public BatchGenerator<float, std::int32_t> {
//    public:
//     Faces() : BatchGenerator({.x = {32, 64, 64, 3}, .y = {32}}) {}
//     std::int64_t fill(BatchContext& batch, std::span<float> x,
//                       std::span<std::int32_t> y) override { ...; return 32; }
//   };
//
// The types T name the fields' elements in order. A type that no slot holds (double, int64_t) is
// allowed here, so that cast<float>() can convert it, and refused where the source is used.
template <class... T>
class BatchGenerator : public Source {
 public:
  // Callers should not pass `is_optimized`: the default argument is that of the caller's file.
  explicit BatchGenerator(const BatchShapes& shapes, bool is_optimized = detail::kOptimized)
      : spec_(make(shapes)), is_optimized_(is_optimized) {}

  // Writes one batch into spans over the whole fields, rows in C order. Returns the rows written; 0
  // ends the epoch.
  virtual std::int64_t fill(BatchContext& batch, std::span<T>... fields) = 0;

  const BatchSpec& spec() const override { return spec_; }
  std::int64_t fill(BatchContext& batch, const Slot& slot) override {
    if constexpr ((is_slot_type<T> && ...)) {
      return call(batch, slot, std::index_sequence_for<T...>{});
    } else {
      detail::throw_no_slot_type();
    }
  }
  SourceTraits traits() const override { return traits_of(SourceKind::custom); }

 protected:
  SourceTraits traits_of(SourceKind kind) const { return {kind, is_optimized_}; }

 private:
  static BatchSpec make(const BatchShapes& shapes) {
    const DType types[] = {detail::field_type<T>()...};
    return detail::make_spec(shapes, types);
  }
  template <std::size_t... I>
  std::int64_t call(BatchContext& batch, const Slot& slot, std::index_sequence<I...>) {
    return fill(batch, std::span<T>(reinterpret_cast<T*>(slot.field(I)),
                                    static_cast<std::size_t>(spec_.field(I).shape.elements()))...);
  }

  BatchSpec spec_;
  bool is_optimized_;
};

// A handle of a generator; copies share it.
template <class... T>
class Generator {
 public:
  explicit Generator(std::shared_ptr<BatchGenerator<T...>> source) : source_(std::move(source)) {}
  const std::shared_ptr<BatchGenerator<T...>>& source() const { return source_; }

 private:
  std::shared_ptr<BatchGenerator<T...>> source_;
};

// Marks a function object that depends on nothing but its arguments, so that several workers may
// call it at the same time: generator<float>(shapes, pure(f)).
template <class F>
struct Pure {
  F function;
};
template <class F>
Pure<std::decay_t<F>> pure(F&& function) {
  return {std::forward<F>(function)};
}

namespace detail {

template <class F, class... T>
class FunctionGenerator final : public BatchGenerator<T...> {
 public:
  using BatchGenerator<T...>::fill;
  using Result = std::invoke_result_t<F&, BatchContext&, std::span<T>...>;
  static_assert(std::is_void_v<Result> ||
                    (std::is_integral_v<Result> && !std::is_same_v<Result, bool>),
                "A generator returns nothing (an endless source) or how many rows it filled "
                "(0 ends the epoch)");

  FunctionGenerator(const BatchShapes& shapes, F function, bool pure)
      : BatchGenerator<T...>(shapes), function_(std::move(function)), pure_(pure) {}

  std::int64_t fill(BatchContext& batch, std::span<T>... fields) override {
    if constexpr (std::is_void_v<Result>) {
      function_(batch, fields...);
      return this->spec().batch_size();
    } else {
      return static_cast<std::int64_t>(function_(batch, fields...));
    }
  }
  bool endless() const override { return std::is_void_v<Result>; }
  bool pure() const override { return pure_; }
  SourceTraits traits() const override { return this->traits_of(SourceKind::function); }

 private:
  F function_;
  bool pure_;
};

}  // namespace detail

// A generator from a function: void f(BatchContext&, std::span<T>...) never ends; one that returns
// an integer says how many rows it filled, 0 to end the epoch. It is called on a thread of the
// feed.
//
//   auto batches = generator<float, std::int32_t>({.x = {32, 28, 28, 1}, .y = {32}},
//       [](BatchContext& batch, std::span<float> x, std::span<std::int32_t> y) { ... });
template <class... T, class F>
requires std::invocable<F&, BatchContext&, std::span<T>...> Generator<T...> generator(
    const BatchShapes& shapes, F function) {
  // A lambda without captures has no state that threads would share.
  return Generator<T...>(std::make_shared<detail::FunctionGenerator<F, T...>>(
      shapes, std::move(function), std::is_empty_v<F>));
}
template <class... T, class F>
requires std::invocable<F&, BatchContext&, std::span<T>...> Generator<T...> generator(
    const BatchShapes& shapes, Pure<F> function) {
  return Generator<T...>(std::make_shared<detail::FunctionGenerator<F, T...>>(
      shapes, std::move(function.function), true));
}

namespace detail {

// The type that cast<To>() makes of a field's type: floating types that no slot holds become To,
// integers that no slot holds become int32_t, and others stay.
template <class To, class T>
using CastTo =
    std::conditional_t<is_slot_type<T>, T,
                       std::conditional_t<std::is_floating_point_v<T>, To, std::int32_t>>;

// Returns the shapes of a spec, to build a spec with other types.
BatchShapes shapes_of(const BatchSpec& spec);
// Throws a DataError which says that elements of type `to` cannot hold `value`.
[[noreturn]] void throw_out_of_range(const std::string& value, DType to);

// Returns whether static_cast<To>(value) is defined and keeps the value, or for floating values its
// integral part. Numbers too large for float become infinite, and are left to the checks for NaN
// and infinity.
template <class To, class T>
bool fits(T value) {
  if constexpr (!std::is_integral_v<To>) {
    return true;
  } else if constexpr (std::is_integral_v<T>) {
    // The + is there because in_range takes neither bool nor char.
    return std::in_range<To>(+value);
  } else {
    // The bounds are powers of two, which are exact in any floating type. NaN fails both
    // comparisons.
    constexpr T kEnd = static_cast<T>(std::numeric_limits<To>::max() / 2 + 1) * 2;
    return value > static_cast<T>(std::numeric_limits<To>::min()) - 1 && value < kEnd;
  }
}

template <class T, class To>
void convert(const T* from, To* to, std::size_t count) {
  const T* misfit = std::find_if_not(from, from + count, fits<To, T>);
  if (misfit != from + count) throw_out_of_range(std::to_string(*misfit), dtype_of<To>);
  std::transform(from, from + count, to, [](T value) { return static_cast<To>(value); });
}

// Adds the time between its construction and its destruction to the batch's converted_ns.
class Conversion {
 public:
  explicit Conversion(BatchContext& batch) : batch_(batch) {}
  ~Conversion() {
    batch_.converted_ns += std::chrono::duration_cast<std::chrono::nanoseconds>(
                               std::chrono::steady_clock::now() - begin_)
                               .count();
  }
  Conversion(const Conversion&) = delete;
  Conversion& operator=(const Conversion&) = delete;

 private:
  BatchContext& batch_;
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

// Memory of the source's own type for one field; it is empty if the slot's memory has that type.
template <class T, class To>
struct Staging {
  static_assert(is_slot_type<T> || std::is_arithmetic_v<T>,
                "cast converts numbers: a field's type is an arithmetic or a slot type");
  std::unique_ptr<T[]> values;

  std::span<T> take(std::span<To> slot) {
    if constexpr (std::is_same_v<T, To>) {
      return slot;
    } else {
      if (!values) values = std::make_unique<T[]>(slot.size());
      return {values.get(), slot.size()};
    }
  }
  void give(std::span<To> slot, std::int64_t rows, std::int64_t batch_size) const {
    if constexpr (!std::is_same_v<T, To>) {
      const auto count =
          slot.size() / static_cast<std::size_t>(batch_size) * static_cast<std::size_t>(rows);
      convert(values.get(), slot.data(), count);
    }
  }
};

// There are as many stagings as threads fill at a time; one that is given back is used again.
template <class T>
class StagingPool {
 public:
  std::unique_ptr<T> take() {
    const std::lock_guard lock(mutex_);
    if (free_.empty()) return std::make_unique<T>();
    std::unique_ptr<T> staging = std::move(free_.back());
    free_.pop_back();
    return staging;
  }
  void give_back(std::unique_ptr<T> staging) {
    const std::lock_guard lock(mutex_);
    free_.push_back(std::move(staging));
  }

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<T>> free_;
};

// An adapter that lets the source write into memory of its own types, and converts the values into
// the slot.
template <class To, class... T>
class CastGenerator final : public BatchGenerator<CastTo<To, T>...> {
 public:
  using Base = BatchGenerator<CastTo<To, T>...>;
  using Base::fill;

  explicit CastGenerator(std::shared_ptr<BatchGenerator<T...>> source)
      : Base(shapes_of(source->spec())), source_(std::move(source)) {
    if (!kKeepsTypes && source_->device_filler() != nullptr) throw_cast_on_device();
  }

  std::int64_t fill(BatchContext& batch, const Slot& slot) override {
    // The host's slots then hold the source's own note, and no fields.
    if (source_->device_filler() != nullptr) return source_->fill(batch, slot);
    return Base::fill(batch, slot);
  }
  std::int64_t fill(BatchContext& batch, std::span<CastTo<To, T>>... fields) override {
    auto staging = stagings_.take();
    const std::int64_t rows = std::apply(
        [&](auto&... own) {
          const std::int64_t filled = source_->fill(batch, own.take(fields)...);
          const std::int64_t size = this->spec().batch_size();
          const Conversion conversion(batch);
          if (filled > 0 && filled <= size) (own.give(fields, filled, size), ...);
          return filled;
        },
        *staging);
    stagings_.give_back(std::move(staging));
    return rows;
  }
  std::optional<std::int64_t> batches_per_epoch() const override {
    return source_->batches_per_epoch();
  }
  bool endless() const override { return source_->endless(); }
  bool pure() const override { return source_->pure(); }
  void begin_epoch(std::int64_t epoch) override { source_->begin_epoch(epoch); }
  void end_epoch(std::int64_t epoch) override { source_->end_epoch(epoch); }
  bool epochs_apart() const override { return source_->epochs_apart(); }
  bool shuffles_batches() const override { return source_->shuffles_batches(); }
  DeviceFiller* device_filler() override { return source_->device_filler(); }
  SourceTraits traits() const override { return source_->traits(); }
  const Source& innermost() const override { return source_->innermost(); }

 private:
  static constexpr bool kKeepsTypes = (std::is_same_v<CastTo<To, T>, T> && ...);
  std::shared_ptr<BatchGenerator<T...>> source_;
  StagingPool<std::tuple<Staging<T, CastTo<To, T>>...>> stagings_;
};

}  // namespace detail

// Returns the same source with float64 fields converted to To (float, or another slot type) and
// integers that no slot holds converted to int32_t, on the way into the slot. A number that does
// not fit is a DataError. Throws ValueError for a handle that was moved from, and if batches that
// are made in the device's memory would have to be converted.
template <class To, class... T>
Generator<detail::CastTo<To, T>...> cast(const Generator<T...>& source) {
  static_assert(is_slot_type<To>, "cast<To>: To is float, bfloat16, float16, int32_t or uint8_t");
  if (!source.source()) detail::throw_no_source("cast");
  return Generator<detail::CastTo<To, T>...>(
      std::make_shared<detail::CastGenerator<To, T...>>(source.source()));
}

// Casts a generator that the caller owns and keeps alive.
template <class To, class... T>
Generator<detail::CastTo<To, T>...> cast(BatchGenerator<T...>& source) {
  return cast<To>(Generator<T...>(
      std::shared_ptr<BatchGenerator<T...>>(std::shared_ptr<BatchGenerator<T...>>(), &source)));
}

// A handle of any source whose element types a slot holds, as fit_generator, evaluate_generator and
// predict_generator take it.
class SourceHandle {
 public:
  template <class... T>
  SourceHandle(const Generator<T...>& generator) : source_(generator.source()) {
    check<T...>();
  }
  // Refers to a generator that the caller owns and keeps alive.
  template <class... T>
  SourceHandle(BatchGenerator<T...>& generator)
      : source_(std::shared_ptr<Source>(std::shared_ptr<Source>(), &generator)) {
    check<T...>();
  }
  // A handle without a source, or that was moved from, is a ValueError where it is used.
  explicit SourceHandle(std::shared_ptr<Source> source) : source_(std::move(source)) {}

  const std::shared_ptr<Source>& source() const { return source_; }

 private:
  template <class... T>
  static constexpr void check() {
    static_assert((is_slot_type<T> && ...),
                  "A batch holds float, int32_t, uint8_t, bfloat16 or float16. Wrap the source to "
                  "convert it on the way into the slot: cast<float>(source)");
  }
  std::shared_ptr<Source> source_;
};

}  // namespace stoker

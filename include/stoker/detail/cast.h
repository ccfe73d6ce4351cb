// What cast() of stoker/generator.h does. Programs include that header.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "stoker/detail/generator.h"
#include "stoker/detail/mutex.h"
#include "stoker/detail/source_adapter.h"

namespace stoker {
namespace detail {

[[noreturn]] void throw_no_source(const char* where);
// Throws for a cast() of batches that are made in the device's memory, where it can't convert them.
[[noreturn]] void throw_cast_on_device();
// Throws a DataError which says that elements of type `to` cannot hold `value`.
[[noreturn]] void throw_out_of_range(const std::string& value, DType to);
// Returns the shapes of a spec, to build a spec with other types.
BatchShapes shapes_of(const BatchSpec& spec);

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
  for (std::size_t i = 0; i < count; ++i) {
    if (!fits<To>(from[i])) throw_out_of_range(std::to_string(from[i]), dtype_of<To>);
  }
  for (std::size_t i = 0; i < count; ++i) to[i] = static_cast<To>(from[i]);
}

// Adds the time between its construction and its destruction to the batch's converted_ns.
class Conversion {
 public:
  explicit Conversion(BatchContext& batch);
  ~Conversion();
  Conversion(const Conversion&) = delete;
  Conversion& operator=(const Conversion&) = delete;

 private:
  BatchContext& batch_;
  std::int64_t begin_ns_;
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
    const Lock lock(mutex_);
    if (free_.empty()) return std::make_unique<T>();
    std::unique_ptr<T> staging = std::move(free_.back());
    free_.pop_back();
    return staging;
  }
  void give_back(std::unique_ptr<T> staging) {
    const Lock lock(mutex_);
    free_.push_back(std::move(staging));
  }

 private:
  Mutex mutex_;
  std::vector<std::unique_ptr<T>> free_;
};

// An adapter that lets the source write into memory of its own types, and converts the values into
// the slot.
template <class To, class... T>
class CastGenerator final : public SourceAdapter<BatchGenerator<CastTo<To, T>...>> {
 public:
  using Base = BatchGenerator<CastTo<To, T>...>;
  using Base::fill;

  explicit CastGenerator(std::shared_ptr<BatchGenerator<T...>> source)
      : SourceAdapter<Base>(source, shapes_of(source->spec())), source_(std::move(source)) {
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

 private:
  static constexpr bool kKeepsTypes = (std::is_same_v<CastTo<To, T>, T> && ...);
  std::shared_ptr<BatchGenerator<T...>> source_;
  StagingPool<std::tuple<Staging<T, CastTo<To, T>>...>> stagings_;
};

// These make a Generator of what cast() takes.
template <class... T>
Generator<T...> typed_handle(const Generator<T...>& generator) {
  return generator;
}
template <class... T>
Generator<T...> typed_handle(BatchGenerator<T...>& generator) {
  return Generator<T...>(
      std::shared_ptr<BatchGenerator<T...>>(std::shared_ptr<BatchGenerator<T...>>(), &generator));
}
template <DerivedGenerator G>
auto typed_handle(std::shared_ptr<G> generator) {
  return Generator(std::shared_ptr<BaseOf<G>>(std::move(generator)));
}
template <TemporaryGenerator G>
auto typed_handle(G&& generator) {
  return typed_handle(take_over<G>(generator));
}
template <class... T>
Generator<T...> typed_handle(const BatchGenerator<T...>& generator) {
  refuse_constant(&generator);
  refused();
}

template <class To, class... T>
Generator<CastTo<To, T>...> cast_generator(const Generator<T...>& generator) {
  if (!generator.source()) throw_no_source("cast");
  return Generator<CastTo<To, T>...>(std::make_shared<CastGenerator<To, T...>>(generator.source()));
}

template <class S>
concept Castable = requires(S&& source) {
  typed_handle(std::forward<S>(source));
};

}  // namespace detail

template <class To, class S>
auto cast(S&& source) {
  static_assert(is_slot_type<To>, "cast<To>: To is float, bfloat16, float16, int32_t or uint8_t");
  static_assert(detail::Castable<S>,
                "cast takes a generator (what generator() or coroutine() returns, or a class that "
                "derives from BatchGenerator) or a std::shared_ptr of one");
  if constexpr (is_slot_type<To> && detail::Castable<S>) {
    return detail::cast_generator<To>(detail::typed_handle(std::forward<S>(source)));
  }
}

}  // namespace stoker

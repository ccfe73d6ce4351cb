// What the templates of stoker/generator.h do. Programs include that header.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>

#include "stoker/generator.h"

namespace stoker {
namespace detail {

// Makes a spec, and throws as the constructor of BatchGenerator.
BatchSpec make_spec(const BatchShapes& shapes, std::span<const DType> types);
// Throws for a source of types that no slot holds and that came to a feed without cast(), past
// SourceHandle's check.
[[noreturn]] void throw_no_slot_type();

// Returns the slot's type for a field; float32 stands in for types that no slot holds.
template <class T>
constexpr DType field_type() {
  if constexpr (is_slot_type<T>) {
    return dtype_of<T>;
  } else {
    return DType::float32;
  }
}
template <class... T>
inline constexpr DType kFieldTypes[] = {field_type<T>()...};

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

// A lambda without captures has no state that threads would share.
template <class F>
struct Purity {
  using Function = F;
  static constexpr bool kIsPure = std::is_empty_v<F>;
  static F&& function(F& f) { return std::move(f); }
};
template <class F>
struct Purity<Pure<F>> {
  using Function = F;
  static constexpr bool kIsPure = true;
  static F&& function(Pure<F>& f) { return std::move(f.function); }
};

// These pick the element types from the base class, to check that a slot holds them.
template <class... T>
constexpr void check_types(const BatchGenerator<T...>*) {
  static_assert((is_slot_type<T> && ...),
                "A batch holds float, int32_t, uint8_t, bfloat16 or float16. Wrap the source to "
                "convert it on the way into the slot: cast<float>(source)");
}
constexpr void check_types(const Source*) {}

// Moves a temporary generator to where handles share it.
template <class G>
std::shared_ptr<G> take_over(G& generator) {
  static_assert(!std::is_abstract_v<G> && std::move_constructible<G>,
                "A temporary generator is moved into its handle, and this class cannot be moved. "
                "Make it by std::make_shared, or as a variable that lives longer than its use");
  return std::make_shared<G>(std::move(generator));
}

template <class... T>
void refuse_constant(const BatchGenerator<T...>*) {
  static_assert(sizeof...(T) == 0 && sizeof...(T) == 1,
                "A generator is changed by fill(), so that it cannot be const. Drop the const, "
                "or share the generator by a std::shared_ptr");
}

}  // namespace detail

template <class... T>
BatchGenerator<T...>::BatchGenerator(const BatchShapes& shapes, bool is_optimized)
    : spec_(detail::make_spec(shapes, detail::kFieldTypes<T...>)), is_optimized_(is_optimized) {}

template <class... T>
std::int64_t BatchGenerator<T...>::fill(BatchContext& batch, const Slot& slot) {
  if constexpr ((is_slot_type<T> && ...)) {
    return [&]<std::size_t... I>(std::index_sequence<I...>) {
      return fill(batch,
                  std::span<T>(reinterpret_cast<T*>(slot.field(I)),
                               static_cast<std::size_t>(spec_.field(I).shape.elements()))...);
    }
    (std::index_sequence_for<T...>{});
  } else {
    detail::throw_no_slot_type();
  }
}

template <class... T, class F>
Generator<T...> generator(const BatchShapes& shapes, F function) {
  using Purity = detail::Purity<F>;
  using Function = typename Purity::Function;
  constexpr bool kFits = std::is_invocable_v<Function&, BatchContext&, std::span<T>...>;
  static_assert(std::is_invocable_v<Function&, BatchContext&, std::span<T>...>,
                "generator<T...>(shapes, f) takes f(BatchContext&, std::span<T>...), with a span "
                "for each of the types T, in their order");
  if constexpr (kFits) {
    return Generator<T...>(std::make_shared<detail::FunctionGenerator<Function, T...>>(
        shapes, Purity::function(function), Purity::kIsPure));
  } else {
    detail::refused();
  }
}

template <class... T>
SourceHandle::SourceHandle(const Generator<T...>& generator) : source_(generator.source()) {
  detail::check_types(static_cast<BatchGenerator<T...>*>(nullptr));
}
template <class... T>
SourceHandle::SourceHandle(BatchGenerator<T...>& generator)
    : source_(std::shared_ptr<Source>(), &generator) {
  detail::check_types(&generator);
}
template <detail::TemporaryGenerator G>
SourceHandle::SourceHandle(G&& generator) : SourceHandle(detail::take_over<G>(generator)) {}
template <class S>
requires std::is_convertible_v<S*, Source*> SourceHandle::SourceHandle(std::shared_ptr<S> source)
    : source_(std::move(source)) {
  detail::check_types(static_cast<S*>(nullptr));
}
template <class... T>
SourceHandle::SourceHandle(const BatchGenerator<T...>& generator) {
  detail::refuse_constant(&generator);
}

}  // namespace stoker

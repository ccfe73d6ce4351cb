// Stages that change a Dataset's elements, on one thread or several. Programs include
// stoker/dataset.h.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "stoker/dataset_options.h"
#include "stoker/detail/dataset_lease.h"
#include "stoker/detail/dataset_threads.h"
#include "stoker/varying.h"

namespace stoker::detail {

// ---- Stages that change elements ----
// Calls f for one element. If f takes a context, it is made and passed first.
template <class F, class MakeContext, class... Arguments>
void call_map(const F& f, const MakeContext& make_context, Arguments... arguments) {
  if constexpr (std::is_invocable_v<const F&, MapContext&, Arguments...>) {
    MapContext context = make_context();
    f(context, arguments...);
  } else {
    static_assert(std::is_invocable_v<const F&, Arguments...>,
                  "map takes f([MapContext&,] std::span<const In>..., std::span<Out>...), or, in "
                  "place, f([MapContext&,] std::span<T>...)");
    f(arguments...);
  }
}

template <class... T>
MapContext context_of(const Stage<T...>& stage, const Pass& pass, std::int64_t ordinal) {
  return {pass.epoch, ordinal, element_random(pass, stage.depth(), ordinal)};
}

// Makes the element with number `index` of a stage before whose elements can be asked for by
// number, or that of a substitute: fetch(number) has it made there, apply(number) makes ours of it.
// The substitute is wholly the element of its own number, random numbers included.
template <class Fetch, class Apply>
[[gnu::noinline]] void make_or_replace(const Pass& pass, const StageBase& stage,
                                       const ErrorPolicy& policy, std::int64_t index, Fetch&& fetch,
                                       Apply&& apply) {
  std::optional<Substitutes> others;
  try {
    return apply(index);
  } catch (...) {
    pass_over(pass, stage, policy);
    others.emplace(pass, stage, index, stage.cardinality());
  }
  for (;;) {
    const std::int64_t number = others->next();
    fetch(number);
    if (succeeds(pass, stage, policy, [&] { apply(number); })) return;
  }
}
// Returns the pass that a substitute is fetched in, which is not counted.
inline Pass of_substitutes(const Pass& pass) {
  Pass other = pass;
  other.stats = nullptr;
  return other;
}

// The part of a map that doesn't depend on what it does.
template <class... T>
class MapBase : public Stage<T...> {
 public:
  MapBase(const std::array<Shape, sizeof...(T)>& shapes, const StageBase& input, int workers,
          ErrorPolicy policy, std::string name)
      : Stage<T...>(name.empty() ? "map" : std::move(name), shapes, {&input}),
        policy_(policy),
        workers_(workers) {}
  std::int64_t cardinality() const override {
    const std::int64_t all = before().cardinality();
    return moves_up() && all != kInfinite ? kUnknownCardinality : all;
  }
  bool is_random_access() const override { return before().is_random_access(); }
  int threads() const override { return workers_; }
  bool moves_up() const override { return policy_.skips() && !is_random_access(); }

 protected:
  std::unique_ptr<Cursor<T...>> do_begin(const Pass& pass, std::int64_t first) const override {
    if (is_random_access() && before().threads_so_far() == 0) return this->by_number(pass, first);
    if (first == 0 || !moves_up()) return stream(pass, first);
    // What was passed over comes before the element, too.
    if (pass.skipped != nullptr) {
      return stream(pass, sum_of(first, pass.skipped->of(this->number_in(pass))));
    }
    return passed_over<T...>(stream(pass, 0), first);
  }
  // Begins with number `first` of the stage before.
  virtual std::unique_ptr<Cursor<T...>> stream(const Pass& pass, std::int64_t first) const = 0;

  const ErrorPolicy policy_;
  const int workers_;

 private:
  const StageBase& before() const { return *this->inputs()[0]; }
};

// The part of a map in place that is the same for all functions, so that it is compiled once for
// elements of a kind.
template <class... T>
class MapInPlaceBase : public MapBase<T...> {
 public:
  MapInPlaceBase(StagePtr<T...> input, int workers, ErrorPolicy policy, std::string name)
      : MapBase<T...>(input->shapes(), *input, workers, policy, std::move(name)),
        input_(std::move(input)) {}

 protected:
  // Calls the function for an element, which has the number `ordinal`.
  virtual void call(const Pass& pass, std::int64_t ordinal, Sinks<T...>& element) const = 0;

  std::unique_ptr<Cursor<T...>> stream(const Pass& pass, std::int64_t first) const override {
    const auto begin = [this, first](const Pass& before) { return input_->begin(before, first); };
    if (this->workers_ != 0) {
      return stream_ahead<NoElements, T...>(
          *this, *this, pass, first, this->workers_, 0, begin,
          [](Cursor<T...>& inner, NoElements&, Sinks<T...>& element) {
            return inner.next(element);
          },
          [this](const Pass& its_pass, NoElements&, Sinks<T...>& element, std::int64_t ordinal) {
            return made(its_pass, ordinal, element);
          });
    }
    std::shared_ptr<Cursor<T...>> inner = begin(pass);
    return function_cursor<T...>([this, inner, pass, ordinal = first](Sinks<T...>& out) mutable {
      while (inner->next(out)) {
        if (made(pass, ordinal++, out)) return true;
      }
      return false;
    });
  }
  void make_or_replace_in_place(const Pass& pass, std::int64_t index, Sinks<T...>& out) const {
    make_or_replace(
        pass, *this, this->policy_, index,
        [&](std::int64_t number) { input_->get(of_substitutes(pass), number, out); },
        [&](std::int64_t number) { call(pass, number, out); });
  }

  const StagePtr<T...> input_;

 private:
  // Makes the result of an element of a stream; returns false for one that is passed over.
  bool made(const Pass& pass, std::int64_t ordinal, Sinks<T...>& out) const {
    if (this->policy_.skips()) return made_or_passed_over(pass, ordinal, out);
    call(pass, ordinal, out);
    return true;
  }
  [[gnu::noinline]] bool made_or_passed_over(const Pass& pass, std::int64_t ordinal,
                                             Sinks<T...>& out) const {
    if (this->moves_up()) {
      return succeeds(pass, *this, this->policy_, [&] { call(pass, ordinal, out); });
    }
    make_or_replace_in_place(pass, ordinal, out);
    return true;
  }
};

// Maps in place: the element is written to its final place, and changed there.
template <class F, class... T>
class MapInPlaceStage final : public MapInPlaceBase<T...> {
 public:
  MapInPlaceStage(StagePtr<T...> input, F f, int workers, ErrorPolicy policy, std::string name)
      : MapInPlaceBase<T...>(std::move(input), workers, policy, std::move(name)),
        f_(std::move(f)) {}

 protected:
  void do_get(const Pass& pass, std::int64_t index, Sinks<T...>& out) const override {
    this->input_->get(pass, index, out);
    make(pass, index, out);
  }
  void do_get_each(const Pass& pass, std::span<const std::int64_t> indices, Sinks<T...>& out,
                   const ElementCallback& on_element) const override {
    const auto map = [&](std::size_t place) {
      make(pass, indices[place], out);
      on_element(place);
    };
    this->input_->get_each(pass, indices, out, map);
  }
  void call(const Pass& pass, std::int64_t ordinal, Sinks<T...>& out) const override {
    apply(pass, ordinal, out);
  }

 private:
  void make(const Pass& pass, std::int64_t index, Sinks<T...>& out) const {
    if (!this->policy_.skips()) return apply(pass, index, out);
    this->make_or_replace_in_place(pass, index, out);
  }
  void apply(const Pass& pass, std::int64_t ordinal, Sinks<T...>& out) const {
    try {
      const auto context = [&] { return context_of(*this, pass, ordinal); };
      std::apply([&](auto&... sinks) { call_map(f_, context, sinks.present()...); }, out);
    } catch (...) {
      throw_in_stage(this->name(), ordinal);
    }
  }
  const F f_;
};

// The part of a map to elements of another kind that is the same for all functions.
template <class Input, class... Out>
class MapToBase;
template <class... In, class... Out>
class MapToBase<std::tuple<In...>, Out...> : public MapBase<Out...> {
 public:
  MapToBase(StagePtr<In...> input, const std::array<Shape, sizeof...(Out)>& shapes, int workers,
            ErrorPolicy policy, std::string name)
      : MapBase<Out...>(shapes, *input, workers, policy, std::move(name)),
        input_(std::move(input)) {}

 protected:
  // Calls the function for an element, which has the number `ordinal`.
  virtual void call(const Pass& pass, std::int64_t ordinal, const Sinks<In...>& element,
                    Sinks<Out...>& out) const = 0;

  std::unique_ptr<Cursor<Out...>> stream(const Pass& pass, std::int64_t first) const override {
    const auto begin = [this, first](const Pass& before) { return input_->begin(before, first); };
    if (this->workers_ != 0) {
      return stream_ahead<ElementBlock<In...>, Out...>(
          *this, *input_, pass, first, this->workers_, 0, begin,
          [](Cursor<In...>& inner, Sinks<In...>& held, Sinks<Out...>&) { return inner.next(held); },
          [this](const Pass& its_pass, Sinks<In...>& held, Sinks<Out...>& out,
                 std::int64_t ordinal) { return made(its_pass, ordinal, held, out); });
    }
    std::shared_ptr<Cursor<In...>> inner = begin(pass);
    auto element = std::make_shared<Sinks<In...>>();
    return function_cursor<Out...>(
        [this, inner, element, pass, ordinal = first](Sinks<Out...>& out) mutable {
          while (inner->next(*element)) {
            if (made(pass, ordinal++, *element, out)) return true;
          }
          return false;
        });
  }
  void make_or_replace_to(const Pass& pass, std::int64_t index, Sinks<In...>& element,
                          Sinks<Out...>& out) const {
    make_or_replace(
        pass, *this, this->policy_, index,
        [&](std::int64_t number) { input_->get(of_substitutes(pass), number, element); },
        [&](std::int64_t number) { call(pass, number, element, out); });
  }
  // A short batch stays short, and so does every result whose first extent is the batch's.
  template <class O>
  void prepare(Sink<O>& out, const Shape& shape, const Sinks<In...>& element) const {
    out.reset();
    out.take(shape);
    for_each_index<sizeof...(In)>([&](auto i) {
      const std::int64_t rows = std::get<i>(element).rows();
      if (rows < 0 || shape.rank() == 0 || shape[0] != input_->shapes()[i][0]) return;
      if (out.rows() >= 0 && out.rows() != rows) {
        throw_different_rows("map", out.shape(), std::get<i>(element).shape());
      }
      out.set_rows(rows);
    });
  }

  const StagePtr<In...> input_;

 private:
  // Makes the result of an element of a stream; returns false for one that is passed over.
  bool made(const Pass& pass, std::int64_t ordinal, Sinks<In...>& element,
            Sinks<Out...>& out) const {
    if (this->policy_.skips()) return made_or_passed_over(pass, ordinal, element, out);
    call(pass, ordinal, element, out);
    return true;
  }
  [[gnu::noinline]] bool made_or_passed_over(const Pass& pass, std::int64_t ordinal,
                                             Sinks<In...>& element, Sinks<Out...>& out) const {
    if (this->moves_up()) {
      return succeeds(pass, *this, this->policy_, [&] { call(pass, ordinal, element, out); });
    }
    make_or_replace_to(pass, ordinal, element, out);
    return true;
  }
};

// Maps elements of one kind to elements of another.
template <class F, class Input, class... Out>
class MapStage;
template <class F, class... In, class... Out>
class MapStage<F, std::tuple<In...>, Out...> final : public MapToBase<std::tuple<In...>, Out...> {
 public:
  MapStage(StagePtr<In...> input, const std::array<Shape, sizeof...(Out)>& shapes, F f, int workers,
           ErrorPolicy policy, std::string name)
      : MapToBase<std::tuple<In...>, Out...>(std::move(input), shapes, workers, policy,
                                             std::move(name)),
        f_(std::move(f)) {}

 protected:
  void do_get(const Pass& pass, std::int64_t index, Sinks<Out...>& out) const override {
    const Lease<Sinks<In...>> element;
    this->input_->get(pass, index, *element);
    make(pass, index, *element, out);
  }
  void do_get_each(const Pass& pass, std::span<const std::int64_t> indices, Sinks<Out...>& out,
                   const ElementCallback& on_element) const override {
    const Lease<Sinks<In...>> element;
    const auto map = [&](std::size_t place) {
      make(pass, indices[place], *element, out);
      on_element(place);
    };
    this->input_->get_each(pass, indices, *element, map);
  }
  void call(const Pass& pass, std::int64_t ordinal, const Sinks<In...>& element,
            Sinks<Out...>& out) const override {
    apply(pass, ordinal, element, out);
  }

 private:
  void make(const Pass& pass, std::int64_t index, Sinks<In...>& element, Sinks<Out...>& out) const {
    if (!this->policy_.skips()) return apply(pass, index, element, out);
    this->make_or_replace_to(pass, index, element, out);
  }
  void apply(const Pass& pass, std::int64_t ordinal, const Sinks<In...>& element,
             Sinks<Out...>& out) const {
    try {
      const auto context = [&] { return context_of(*this, pass, ordinal); };
      [&]<std::size_t... I, std::size_t... O>(std::index_sequence<I...>,
                                              std::index_sequence<O...>) {
        (this->prepare(std::get<O>(out), this->shapes()[O], element), ...);
        call_map(f_, context, std::get<I>(element).present()..., std::get<O>(out).present()...);
      }
      (std::index_sequence_for<In...>{}, std::index_sequence_for<Out...>{});
    } catch (...) {
      throw_in_stage(this->name(), ordinal);
    }
  }
  const F f_;
};

// Maps elements to others whose shapes the function decides on.
template <class F, class Input, class... Out>
class VaryingMapStage;
template <class F, class... In, class... Out>
class VaryingMapStage<F, std::tuple<In...>, Out...> final
    : public MapToBase<std::tuple<In...>, Out...> {
 public:
  VaryingMapStage(StagePtr<In...> input, const std::array<Shape, sizeof...(Out)>& shapes, F f,
                  int workers, ErrorPolicy policy, std::string name)
      : MapToBase<std::tuple<In...>, Out...>(std::move(input), shapes, workers, policy,
                                             std::move(name)),
        f_(std::move(f)) {}
  bool may_be_short() const override { return true; }

 protected:
  void do_get(const Pass& pass, std::int64_t index, Sinks<Out...>& out) const override {
    const Lease<Sinks<In...>> element;
    this->input_->get(pass, index, *element);
    if (this->policy_.skips()) return this->make_or_replace_to(pass, index, *element, out);
    call(pass, index, *element, out);
  }
  void call(const Pass& pass, std::int64_t ordinal, const Sinks<In...>& element,
            Sinks<Out...>& out) const override {
    try {
      const auto context = [&] { return context_of(*this, pass, ordinal); };
      [&]<std::size_t... I, std::size_t... O>(std::index_sequence<I...>,
                                              std::index_sequence<O...>) {
        std::array<bool, sizeof...(Out)> is_taken{};
        (std::get<O>(out).reset(), ...);
        call_map(f_, context,
                 VaryingInput<In>(std::get<I>(element).present(), std::get<I>(element).shape())...,
                 VaryingOutput<Out>(std::get<O>(out), this->shapes()[O], is_taken[O])...);
        ((is_taken[O] ? void() : throw_not_taken(O)), ...);
      }
      (std::index_sequence_for<In...>{}, std::index_sequence_for<Out...>{});
    } catch (...) {
      throw_in_stage(this->name(), ordinal);
    }
  }

 private:
  const F f_;
};

}  // namespace stoker::detail

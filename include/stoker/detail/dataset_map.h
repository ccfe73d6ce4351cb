// Stages that change a Dataset's elements, on one thread or several. Programs include
// stoker/dataset.h.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "stoker/dataset_options.h"
#include "stoker/detail/dataset_ahead.h"

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

// Maps in place: the element is written to its final place, and changed there.
template <class F, class... T>
class MapInPlaceStage final : public Stage<T...> {
 public:
  MapInPlaceStage(StagePtr<T...> input, F f, int workers)
      : Stage<T...>(input->shapes(), {input.get()}),
        input_(std::move(input)),
        f_(std::move(f)),
        workers_(workers) {}
  std::int64_t cardinality() const override { return input_->cardinality(); }
  bool is_random_access() const override { return input_->is_random_access(); }
  void get(const Pass& pass, std::int64_t index, Sinks<T...>& out) const override {
    input_->get(pass, index, out);
    apply(pass, index, out);
  }
  void get_each(const Pass& pass, std::span<const std::int64_t> indices, Sinks<T...>& out,
                const ElementCallback& on_element) const override {
    const auto map = [&](std::size_t place) {
      apply(pass, indices[place], out);
      on_element(place);
    };
    input_->get_each(pass, indices, out, map);
  }
  std::unique_ptr<Cursor<T...>> begin(const Pass& pass, std::int64_t first) const override {
    if (workers_ == 1 && is_random_access()) {
      return std::make_unique<IndexCursor<T...>>(*this, pass, first);
    }
    std::shared_ptr<Cursor<T...>> inner = input_->begin(pass, first);
    if (workers_ > 1) {
      return ahead_cursor<Nothing, T...>(
          [inner](Nothing&, Sinks<T...>& element) { return inner->next(element); },
          [this, pass, first](Nothing&, Sinks<T...>& element, std::int64_t ordinal) {
            apply(pass, first + ordinal, element);
          },
          workers_, 2 * workers_);
    }
    return function_cursor<T...>([this, inner, pass, ordinal = first](Sinks<T...>& out) mutable {
      if (!inner->next(out)) return false;
      apply(pass, ordinal++, out);
      return true;
    });
  }

 private:
  void apply(const Pass& pass, std::int64_t ordinal, Sinks<T...>& out) const {
    try {
      const auto context = [&] { return context_of(*this, pass, ordinal); };
      std::apply([&](auto&... sinks) { call_map(f_, context, sinks.present()...); }, out);
    } catch (...) {
      throw_in_stage("map", ordinal);
    }
  }
  const StagePtr<T...> input_;
  const F f_;
  const int workers_;
};

// Memory for one element, which the thread keeps for the next, since a call must not allocate.
// Nested calls have one each.
template <class T>
class Lease {
 public:
  Lease() : value_(take()) {}
  ~Lease() { free().push_back(std::move(value_)); }
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;
  T& operator*() const { return *value_; }

 private:
  static std::vector<std::unique_ptr<T>>& free() {
    thread_local std::vector<std::unique_ptr<T>> kept;
    return kept;
  }
  static std::unique_ptr<T> take() {
    if (free().empty()) return std::make_unique<T>();
    std::unique_ptr<T> value = std::move(free().back());
    free().pop_back();
    return value;
  }
  std::unique_ptr<T> value_;
};

// Maps elements of one kind to elements of another.
template <class F, class Input, class... Out>
class MapStage;
template <class F, class... In, class... Out>
class MapStage<F, std::tuple<In...>, Out...> final : public Stage<Out...> {
 public:
  MapStage(StagePtr<In...> input, const std::array<Shape, sizeof...(Out)>& shapes, F f, int workers)
      : Stage<Out...>(shapes, {input.get()}),
        input_(std::move(input)),
        f_(std::move(f)),
        workers_(workers) {}
  std::int64_t cardinality() const override { return input_->cardinality(); }
  bool is_random_access() const override { return input_->is_random_access(); }
  void get(const Pass& pass, std::int64_t index, Sinks<Out...>& out) const override {
    const Lease<Sinks<In...>> element;
    input_->get(pass, index, *element);
    apply(pass, index, *element, out);
  }
  void get_each(const Pass& pass, std::span<const std::int64_t> indices, Sinks<Out...>& out,
                const ElementCallback& on_element) const override {
    const Lease<Sinks<In...>> element;
    const auto map = [&](std::size_t place) {
      apply(pass, indices[place], *element, out);
      on_element(place);
    };
    input_->get_each(pass, indices, *element, map);
  }
  std::unique_ptr<Cursor<Out...>> begin(const Pass& pass, std::int64_t first) const override {
    if (workers_ == 1 && is_random_access()) {
      return std::make_unique<IndexCursor<Out...>>(*this, pass, first);
    }
    std::shared_ptr<Cursor<In...>> inner = input_->begin(pass, first);
    if (workers_ > 1) {
      return ahead_cursor<Sinks<In...>, Out...>(
          [inner](Sinks<In...>& held, Sinks<Out...>&) { return inner->next(held); },
          [this, pass, first](Sinks<In...>& held, Sinks<Out...>& out, std::int64_t ordinal) {
            apply(pass, first + ordinal, held, out);
          },
          workers_, 2 * workers_);
    }
    auto element = std::make_shared<Sinks<In...>>();
    return function_cursor<Out...>(
        [this, inner, element, pass, ordinal = first](Sinks<Out...>& out) mutable {
          if (!inner->next(*element)) return false;
          apply(pass, ordinal++, *element, out);
          return true;
        });
  }

 private:
  void apply(const Pass& pass, std::int64_t ordinal, const Sinks<In...>& element,
             Sinks<Out...>& out) const {
    try {
      const auto context = [&] { return context_of(*this, pass, ordinal); };
      [&]<std::size_t... I, std::size_t... O>(std::index_sequence<I...>,
                                              std::index_sequence<O...>) {
        (prepare(std::get<O>(out), this->shapes()[O], element), ...);
        call_map(f_, context, std::get<I>(element).present()..., std::get<O>(out).present()...);
      }
      (std::index_sequence_for<In...>{}, std::index_sequence_for<Out...>{});
    } catch (...) {
      throw_in_stage("map", ordinal);
    }
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
  const F f_;
  const int workers_;
};

template <class A, class B>
class ZipStage;
template <class... A, class... B>
class ZipStage<std::tuple<A...>, std::tuple<B...>> final : public Stage<A..., B...> {
 public:
  ZipStage(StagePtr<A...> a, StagePtr<B...> b)
      : Stage<A..., B...>(join(a->shapes(), b->shapes()), {a.get(), b.get()}),
        a_(std::move(a)),
        b_(std::move(b)) {}
  std::int64_t cardinality() const override {
    const std::int64_t a = a_->cardinality();
    const std::int64_t b = b_->cardinality();
    if (a == kInfinite) return b;
    if (b == kInfinite) return a;
    return a < 0 || b < 0 ? kUnknownCardinality : smaller_of(a, b);
  }
  bool is_random_access() const override {
    return a_->is_random_access() && b_->is_random_access();
  }
  void get(const Pass& pass, std::int64_t index, Sinks<A..., B...>& out) const override {
    with_parts(out, [&](Sinks<A...>& a, Sinks<B...>& b) {
      a_->get(pass, index, a);
      b_->get(branch_of(pass, 1), index, b);
      return true;
    });
  }
  std::unique_ptr<Cursor<A..., B...>> begin(const Pass& pass, std::int64_t first) const override {
    std::shared_ptr<Cursor<A...>> left = a_->begin(pass, first);
    std::shared_ptr<Cursor<B...>> right = b_->begin(branch_of(pass, 1), first);
    return function_cursor<A..., B...>([left, right](Sinks<A..., B...>& out) {
      return with_parts(
          out, [&](Sinks<A...>& a, Sinks<B...>& b) { return left->next(a) && right->next(b); });
    });
  }

 private:
  static std::array<Shape, sizeof...(A) + sizeof...(B)> join(
      const std::array<Shape, sizeof...(A)>& a, const std::array<Shape, sizeof...(B)>& b) {
    std::array<Shape, sizeof...(A) + sizeof...(B)> all;
    for (std::size_t i = 0; i < a.size(); ++i) all[i] = a[i];
    for (std::size_t i = 0; i < b.size(); ++i) all[a.size() + i] = b[i];
    return all;
  }
  // Moves the sinks into two tuples and back. Sinks are handles, so the memory that they write to
  // stays.
  template <class F>
  static bool with_parts(Sinks<A..., B...>& out, F&& f) {
    Sinks<A...> a;
    Sinks<B...> b;
    for_each_index<sizeof...(A)>([&](auto i) { std::get<i>(a) = std::move(std::get<i>(out)); });
    for_each_index<sizeof...(B)>(
        [&](auto i) { std::get<i>(b) = std::move(std::get<sizeof...(A) + i>(out)); });
    const bool found = f(a, b);
    for_each_index<sizeof...(A)>([&](auto i) { std::get<i>(out) = std::move(std::get<i>(a)); });
    for_each_index<sizeof...(B)>(
        [&](auto i) { std::get<sizeof...(A) + i>(out) = std::move(std::get<i>(b)); });
    return found;
  }
  const StagePtr<A...> a_;
  const StagePtr<B...> b_;
};

}  // namespace stoker::detail

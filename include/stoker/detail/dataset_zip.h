// The stage that puts elements of two Datasets side by side. Programs include stoker/dataset.h.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <tuple>
#include <utility>

#include "stoker/detail/dataset_core.h"

namespace stoker::detail {

template <class A, class B>
class ZipStage;
template <class... A, class... B>
class ZipStage<std::tuple<A...>, std::tuple<B...>> final : public Stage<A..., B...> {
 public:
  ZipStage(StagePtr<A...> a, StagePtr<B...> b)
      : Stage<A..., B...>("zip", join(a->shapes(), b->shapes()), {a.get(), b.get()}),
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
  void do_get(const Pass& pass, std::int64_t index, Sinks<A..., B...>& out) const override {
    with_parts(out, [&](Sinks<A...>& a, Sinks<B...>& b) {
      a_->get(pass, index, a);
      b_->get(right_of(pass), index, b);
      return true;
    });
  }
  std::unique_ptr<Cursor<A..., B...>> do_begin(const Pass& pass,
                                               std::int64_t first) const override {
    std::shared_ptr<Cursor<A...>> left = a_->begin(from_the_start(pass), first);
    std::shared_ptr<Cursor<B...>> right = b_->begin(right_of(pass), first);
    return function_cursor<A..., B...>([left, right](Sinks<A..., B...>& out) {
      return with_parts(
          out, [&](Sinks<A...>& a, Sinks<B...>& b) { return left->next(a) && right->next(b); });
    });
  }

 private:
  Pass right_of(const Pass& pass) const { return branch_of(pass, 1, a_->stages()); }
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

// The elements of a block, and the failures between them. Programs include stoker/dataset.h.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

#include "stoker/detail/dataset_core.h"

namespace stoker::detail {

// The elements that one thread makes at a time. Small ones of one shape lie side by side, since a
// vector of its own for each would take longer to use than some elements take to make.
template <class... T>
class ElementBlock {
 public:
  // Makes room for `count` elements of the stage. There will never be more than `most`.
  void prepare(const Stage<T...>& stage, std::size_t count, std::size_t most) {
    if (count <= room_) return;
    if (room_ == 0) {
      constexpr std::int64_t kSmall = 4096;  // bytes
      is_flat_ = !stage.may_be_short() && stage.element_bytes() <= kSmall;
      for (const Shape& shape : stage.shapes()) is_flat_ = is_flat_ && !has_unknown(shape);
    }
    // Small elements get all their memory at once, so that none is needed later.
    room_ = is_flat_ ? most : count;
    if (!is_flat_) {
      elements_.resize(count);
      return;
    }
    for_each_index<sizeof...(T)>([&](auto i) {
      using Element = std::tuple_element_t<i, std::tuple<T...>>;
      const Shape& shape = stage.shapes()[i];
      sizes_[i] = static_cast<std::size_t>(shape.elements());
      std::get<i>(memory_).resize(room_ * sizes_[i]);
      std::get<i>(row_) = Sink<Element>(row<i>(0), shape);
    });
  }
  // Returns whether at() always returns the same sinks, which it moves from place to place.
  bool is_flat() const { return is_flat_; }
  // Returns the place of an element, until another one is asked for.
  Sinks<T...>& at(std::size_t element) {
    if (!is_flat_) return elements_[element];
    for_each_index<sizeof...(T)>([&](auto i) { std::get<i>(row_).move_to(row<i>(element)); });
    return row_;
  }
  // Takes an element that was written elsewhere.
  void take(std::size_t element, Sinks<T...>& from) {
    if (!is_flat_) return std::swap(elements_[element], from);
    for_each_index<sizeof...(T)>(
        [&](auto i) { copy_row(std::as_const(std::get<i>(from)).values(), row<i>(element)); });
  }
  // Gives an element away.
  void give(std::size_t element, Sinks<T...>& out) {
    if (!is_flat_) return move_element(elements_[element], out);
    for_each_index<sizeof...(T)>([&](auto i) {
      using Element = std::tuple_element_t<i, std::tuple<T...>>;
      auto& sink = std::get<i>(out);
      sink.reset();
      copy_row(std::span<const Element>(row<i>(element)),
               sink.take(std::get<i>(row_).shape_of_memory()));
    });
  }
  // Moves an element to the place of one that is not needed.
  void move(std::size_t from, std::size_t to) {
    if (!is_flat_) return std::swap(elements_[from], elements_[to]);
    for_each_index<sizeof...(T)>([&](auto i) {
      using Element = std::tuple_element_t<i, std::tuple<T...>>;
      copy_values(std::span<const Element>(row<i>(from)), row<i>(to));
    });
  }

 private:
  // A label is one number, for which a call of memmove would take long.
  template <class E>
  static void copy_row(std::span<const E> from, std::span<E> to) {
    if (from.size() == 1) {
      to[0] = from[0];
    } else {
      copy_values(from, to);
    }
  }
  template <std::size_t I>
  auto row(std::size_t element) {
    return std::span(std::get<I>(memory_)).subspan(element * sizes_[I], sizes_[I]);
  }

  std::size_t room_ = 0;
  bool is_flat_ = false;
  std::vector<Sinks<T...>> elements_;
  std::tuple<std::vector<T>...> memory_;
  std::array<std::size_t, sizeof...(T)> sizes_{};
  Sinks<T...> row_;
};

// Stands for elements where there is nothing to hold.
struct NoElements {
  void prepare(const StageBase&, std::size_t, std::size_t) {}
  NoElements& at(std::size_t) { return *this; }
};

// The failures that were passed over before elements of a block, by their place in it.
class FailedBefore {
 public:
  // Takes what was collected.
  void take(std::size_t place, Failures& collected) {
    if (!collected.empty()) keep(place, collected);
  }
  // Adds those up to a place, which have not been given yet, to `to`.
  void give(std::size_t place, Failures* to) {
    if (failed_.empty()) return;
    for (; given_ < failed_.size() && failed_[given_].first <= place; ++given_) {
      if (to != nullptr) to->add(failed_[given_].second);
    }
  }
  void clear() {
    failed_.clear();
    given_ = 0;
  }

 private:
  // It is a function of its own, so that take() is in line in loops over elements.
  [[gnu::noinline]] void keep(std::size_t place, Failures& collected) {
    failed_.emplace_back(place, std::move(collected));
    collected.clear();
  }

  std::vector<std::pair<std::size_t, Failures>> failed_;
  std::size_t given_ = 0;
};

}  // namespace stoker::detail

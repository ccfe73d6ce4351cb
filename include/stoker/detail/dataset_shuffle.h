// The stage that gives a Dataset's elements in another order. Programs include stoker/dataset.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "stoker/detail/dataset_core.h"

namespace stoker::detail {

// An order of [0, size) for each pass: an even one of all, or, with a buffer that is smaller, the
// order in which elements leave it.
class EpochOrder {
 public:
  EpochOrder(std::int64_t size, std::int64_t buffer, std::uint64_t seed, bool reshuffle,
             std::uint32_t stage);
  ~EpochOrder();
  EpochOrder(const EpochOrder&) = delete;
  EpochOrder& operator=(const EpochOrder&) = delete;
  // Finds the numbers of the elements that come at `indices`.
  void at(std::int64_t epoch, std::span<const std::int64_t> indices,
          std::span<std::int64_t> out) const;
  // Returns whether the orders of so many elements are kept: a smaller buffer over more of them
  // would need more memory than the buffer itself.
  static bool is_kept(std::int64_t size, std::int64_t buffer) {
    constexpr std::int64_t kMost = std::int64_t{1} << 24;
    return size > 0 && (buffer >= size || size <= kMost);
  }

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Returns the random numbers that a buffer is drawn from with.
Random buffer_random(std::uint64_t seed, std::int64_t epoch, bool reshuffle, std::uint32_t stage);

template <class... T>
class ShuffleStage final : public Stage<T...> {
 public:
  ShuffleStage(StagePtr<T...> input, std::int64_t buffer, std::uint64_t seed, bool reshuffle)
      : Stage<T...>("shuffle", input->shapes(), {input.get()}),
        input_(std::move(input)),
        buffer_(buffer),
        seed_(seed),
        reshuffle_(reshuffle) {
    const std::int64_t all = input_->cardinality();
    if (input_->is_random_access() && EpochOrder::is_kept(all, buffer)) {
      order_ = std::make_unique<EpochOrder>(all, buffer, seed, reshuffle, this->depth());
    }
  }

  std::int64_t cardinality() const override { return input_->cardinality(); }
  // The shuffle of elements that can be asked for by number is an order of their numbers.
  bool is_random_access() const override { return order_ != nullptr; }

 protected:
  void do_get(const Pass& pass, std::int64_t index, Sinks<T...>& out) const override {
    std::int64_t before = 0;
    order_->at(pass.epoch, std::span(&index, 1), std::span(&before, 1));
    input_->get(pass, before, out);
  }
  void do_get_each(const Pass& pass, std::span<const std::int64_t> indices, Sinks<T...>& out,
                   const ElementCallback& on_element) const override {
    std::array<std::int64_t, Stage<T...>::kMostAtOnce> before;
    const auto used = std::span(before).first(indices.size());
    order_->at(pass.epoch, indices, used);
    input_->get_each(pass, used, out, on_element);
  }
  std::unique_ptr<Cursor<T...>> do_begin(const Pass& pass, std::int64_t first) const override {
    if (order_) return this->by_number(pass, first);
    auto state = std::make_shared<State>();
    state->random = buffer_random(seed_, pass.epoch, reshuffle_, this->depth());
    const bool by_number =
        input_->is_random_access() && input_->cardinality() != kUnknownCardinality;
    if (first > 0 && by_number) {
      pass_over_numbers(*state, pass, first);
    } else {
      state->inner = input_->begin(from_the_start(pass));
      while (first > 0 && fill(*state)) {
        drop(*state, draw(*state));
        --first;
      }
    }
    return function_cursor<T...>([this, state](Sinks<T...>& out) {
      if (!fill(*state)) return false;
      const std::size_t chosen = draw(*state);
      move_element(state->waiting[chosen], out);
      drop(*state, chosen);
      return true;
    });
  }

 private:
  struct State {
    std::unique_ptr<Cursor<T...>> inner;
    std::vector<Sinks<T...>> waiting;  // the buffer, of which the first `filled` ones wait
    std::size_t filled = 0;
    bool ended = false;
    Random random;
  };

  // Fills the buffer. Returns false if no element is left.
  bool fill(State& s) const {
    while (!s.ended && s.filled < static_cast<std::size_t>(buffer_)) {
      if (s.filled == s.waiting.size()) s.waiting.emplace_back();
      s.ended = !s.inner->next(s.waiting[s.filled]);
      if (!s.ended) ++s.filled;
    }
    return s.filled > 0;
  }
  static std::size_t draw(State& s) {
    return static_cast<std::size_t>(s.random.integer(0, static_cast<std::int64_t>(s.filled)));
  }
  static void drop(State& s, std::size_t chosen) {
    std::swap(s.waiting[chosen], s.waiting[--s.filled]);
  }

  // Draws the numbers of the elements instead of the elements, and makes only those that wait in
  // the buffer then.
  void pass_over_numbers(State& s, const Pass& pass, std::int64_t count) const {
    const std::int64_t all = input_->cardinality();
    std::vector<std::int64_t> numbers;
    std::int64_t next = 0;
    for (; count > 0; --count) {
      while (!s.ended && static_cast<std::int64_t>(numbers.size()) < buffer_) {
        s.ended = all != kInfinite && next >= all;
        if (!s.ended) numbers.push_back(next++);
      }
      if (numbers.empty()) break;
      s.filled = numbers.size();
      std::swap(numbers[draw(s)], numbers.back());
      numbers.pop_back();
    }
    s.filled = numbers.size();
    s.waiting.resize(s.filled);
    for (std::size_t i = 0; i < s.filled; ++i) input_->get(pass, numbers[i], s.waiting[i]);
    s.inner = input_->begin(pass, next);
  }

  const StagePtr<T...> input_;
  const std::int64_t buffer_;
  const std::uint64_t seed_;
  const bool reshuffle_;
  std::unique_ptr<EpochOrder> order_;
};

}  // namespace stoker::detail

// The stage that gives a Dataset's elements in another order. Programs include stoker/dataset.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "stoker/detail/dataset_core.h"

namespace stoker::detail {

template <class... T>
class ShuffleStage final : public Stage<T...> {
 public:
  ShuffleStage(StagePtr<T...> input, std::int64_t buffer, std::uint64_t seed, bool reshuffle)
      : Stage<T...>(input->shapes(), {input.get()}),
        input_(std::move(input)),
        buffer_(buffer),
        seed_(seed),
        reshuffle_(reshuffle) {
    const std::int64_t all = input_->cardinality();
    if (input_->is_random_access() && all > 0 && buffer >= all) {
      order_ = std::make_unique<EpochOrder>(all, seed, reshuffle);
    }
  }

  std::int64_t cardinality() const override { return input_->cardinality(); }
  // With a buffer that holds everything, the shuffle is an order of all elements, which can be
  // asked for by number.
  bool is_random_access() const override { return order_ != nullptr; }
  void get(const Pass& pass, std::int64_t index, Sinks<T...>& out) const override {
    input_->get(pass, order_->at(pass.epoch, index), out);
  }
  void get_each(const Pass& pass, std::span<const std::int64_t> indices, Sinks<T...>& out,
                const ElementCallback& on_element) const override {
    std::array<std::int64_t, Stage<T...>::kMostAtOnce> before;
    const auto used = std::span(before).first(indices.size());
    order_->at(pass.epoch, indices, used);
    input_->get_each(pass, used, out, on_element);
  }
  std::unique_ptr<Cursor<T...>> begin(const Pass& pass, std::int64_t first) const override {
    if (order_) return std::make_unique<IndexCursor<T...>>(*this, pass, first);
    auto state = std::make_shared<State>();
    state->random = element_random({seed_, reshuffle_ ? pass.epoch : 0}, this->depth(), 0);
    const bool by_number =
        input_->is_random_access() && input_->cardinality() != kUnknownCardinality;
    if (first > 0 && by_number) {
      pass_over_numbers(*state, pass, first);
    } else {
      state->inner = input_->begin(pass);
      while (first > 0 && fill(*state)) {
        drop(*state, draw(*state));
        --first;
      }
    }
    return function_cursor<T...>([this, state](Sinks<T...>& out) {
      if (!fill(*state)) return false;
      const std::size_t chosen = draw(*state);
      copy_element(state->waiting[chosen], out);
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

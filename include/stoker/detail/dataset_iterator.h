// Iterators through the elements of a Dataset. Programs include stoker/dataset.h.
#pragma once

#include <cstddef>
#include <iterator>
#include <memory>
#include <span>
#include <tuple>
#include <utility>

#include "stoker/detail/dataset_core.h"

namespace stoker::detail {

// Returns the values of an element as spans.
template <class... T>
std::tuple<std::span<const T>...> values_of(const Sinks<T...>& element) {
  return std::apply(
      [](const auto&... sinks) { return std::tuple<std::span<const T>...>(sinks.present()...); },
      element);
}

// What a loop's pass needs besides its cursor.
struct LoopState {
  Pass pass_of(Pass pass) {
    pass.failures = &failures;
    pass.budget = &budget;
    return pass;
  }
  // Throws if more elements have failed than may. This is asked after each element.
  void check() const {
    if (!failures.empty()) failures.check();
  }
  Failures failures;
  ThreadBudget budget;
};

template <class... T>
class DatasetIterator {
 public:
  using value_type = std::tuple<std::span<const T>...>;
  using difference_type = std::ptrdiff_t;

  DatasetIterator(const StagePtr<T...>& stage, const Pass& pass)
      : stage_(stage),
        state_(std::make_unique<LoopState>()),
        cursor_(guarded([&] { return stage->begin(state_->pass_of(pass)); })) {
    ++*this;
  }
  const value_type& operator*() const { return values_; }
  DatasetIterator& operator++() {
    has_value_ = guarded([&] {
      const bool found = cursor_->next(element_);
      state_->check();
      return found;
    });
    if (has_value_) values_ = values_of(element_);
    return *this;
  }
  void operator++(int) { ++*this; }
  friend bool operator==(const DatasetIterator& at, std::default_sentinel_t) {
    return !at.has_value_;
  }

 private:
  StagePtr<T...> stage_;              // the stage that the cursor refers to
  std::unique_ptr<LoopState> state_;  // which it refers to, too
  std::unique_ptr<Cursor<T...>> cursor_;
  Sinks<T...> element_;
  value_type values_;
  bool has_value_ = false;
};

// The elements of one pass, for a loop.
template <class... T>
class DatasetElements {
 public:
  DatasetElements(StagePtr<T...> stage, const Pass& pass) : stage_(std::move(stage)), pass_(pass) {}
  DatasetIterator<T...> begin() const { return DatasetIterator<T...>(stage_, pass_); }
  std::default_sentinel_t end() const { return {}; }

 private:
  StagePtr<T...> stage_;
  Pass pass_;
};

}  // namespace stoker::detail

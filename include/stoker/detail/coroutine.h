// What coroutine() of stoker/coroutine.h does. Programs include that header.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>

#include "stoker/coroutine.h"

namespace stoker {
namespace detail {

template <class F, class... T>
class CoroutineGenerator final : public BatchGenerator<T...> {
 public:
  using BatchGenerator<T...>::fill;
  CoroutineGenerator(const BatchShapes& shapes, F function)
      : BatchGenerator<T...>(shapes), function_(std::move(function)) {}

  std::int64_t fill(BatchContext& batch, std::span<T>... fields) override {
    writer_.open(batch, fields...);
    // A run before this one may have left the coroutine with no batch more.
    const bool is_left_over = std::exchange(is_new_run_, false) && running_;
    if (!resume() && !(is_left_over && resume())) return 0;
    return running_->rows().value_or(this->spec().batch_size());
  }
  void begin_run(const RunStart&) override { is_new_run_ = true; }
  SourceTraits traits() const override { return this->traits_of(SourceKind::coroutine); }

 private:
  // Runs to the next batch, from the beginning where the coroutine has ended, and returns whether
  // there is one.
  bool resume() {
    if (!running_) running_.emplace(function_(writer_));
    bool yielded = false;
    try {
      yielded = running_->resume();
    } catch (...) {
      running_.reset();
      throw;
    }
    if (!yielded) running_.reset();
    return yielded;
  }

  F function_;
  bool is_new_run_ = false;
  BatchWriter<T...> writer_;
  std::optional<BatchCoroutine> running_;
};

}  // namespace detail

template <class... T, class F>
Generator<T...> coroutine(const BatchShapes& shapes, F function) {
  constexpr bool kFits = std::is_invocable_r_v<BatchCoroutine, F&, BatchWriter<T...>&>;
  static_assert(std::is_invocable_r_v<BatchCoroutine, F&, BatchWriter<T...>&>,
                "coroutine<T...>(shapes, f) takes BatchCoroutine f(BatchWriter<T...>&), a "
                "coroutine that yields whole_batch or a number of rows");
  if constexpr (kFits) {
    return Generator<T...>(
        std::make_shared<detail::CoroutineGenerator<F, T...>>(shapes, std::move(function)));
  } else {
    detail::refused();
  }
}

}  // namespace stoker

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
    if (!running_) running_.emplace(function_(writer_));
    bool yielded = false;
    try {
      yielded = running_->resume();
    } catch (...) {
      running_.reset();
      throw;
    }
    if (!yielded) {
      running_.reset();
      return 0;
    }
    return running_->rows().value_or(this->spec().batch_size());
  }
  SourceTraits traits() const override { return this->traits_of(SourceKind::coroutine); }

 private:
  F function_;
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

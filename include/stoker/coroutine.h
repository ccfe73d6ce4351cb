// Coroutines as sources, the C++ counterpart of a Python generator's `yield x, y`.
#pragma once

#include <coroutine>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <tuple>
#include <utility>

#include "stoker/generator.h"

namespace stoker {

// A coroutine yields this when all rows of the batch are filled; for a short batch it yields the
// number of rows.
struct WholeBatch {};
inline constexpr WholeBatch whole_batch{};

// The return type of the coroutine.
class BatchCoroutine {
 public:
  struct promise_type {
    BatchCoroutine get_return_object() { return BatchCoroutine(Handle::from_promise(*this)); }
    std::suspend_always initial_suspend() noexcept { return {}; }
    std::suspend_always final_suspend() noexcept { return {}; }
    std::suspend_always yield_value(std::int64_t filled) {
      rows = filled;
      return {};
    }
    std::suspend_always yield_value(WholeBatch) {
      rows = std::nullopt;
      return {};
    }
    void return_void() {}
    void unhandled_exception() { error = std::current_exception(); }

    std::optional<std::int64_t> rows;  // without a value: all of them
    std::exception_ptr error;
  };

  BatchCoroutine(BatchCoroutine&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  BatchCoroutine& operator=(BatchCoroutine&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~BatchCoroutine() {
    if (handle_) handle_.destroy();
  }

  // Runs to the next co_yield. Returns false when the coroutine has ended, and throws what it
  // threw.
  bool resume() {
    handle_.resume();
    if (handle_.promise().error) std::rethrow_exception(handle_.promise().error);
    return !handle_.done();
  }
  std::optional<std::int64_t> rows() const { return handle_.promise().rows; }

 private:
  using Handle = std::coroutine_handle<promise_type>;
  explicit BatchCoroutine(Handle handle) : handle_(handle) {}
  Handle handle_;
};

// The slot that the coroutine writes its current batch to; after each co_yield it is another one.
template <class... T>
class BatchWriter {
 public:
  // auto [x, y] = batch.fields();
  std::tuple<std::span<T>...> fields() const { return fields_; }
  BatchContext& context() const { return *context_; }
  Random& random() const { return context_->random; }

  void open(BatchContext& context, std::span<T>... fields) {
    context_ = &context;
    fields_ = {fields...};
  }

 private:
  BatchContext* context_ = nullptr;
  std::tuple<std::span<T>...> fields_;
};

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

// A generator from a coroutine:
//
//   auto batches = coroutine<float, std::int32_t>(
//       {.x = {32, 784}, .y = {32}},
//       [&](BatchWriter<float, std::int32_t>& batch) -> BatchCoroutine {
//         for (const Shard& shard : shards) {
//           auto [x, y] = batch.fields();  // the slot itself
//           shard.read(x, y);
//           co_yield whole_batch;
//         }
//       });
//
// When the coroutine ends, the epoch ends; the next epoch starts it anew. With steps_per_epoch it
// goes on from epoch to epoch and is expected not to end, as in Keras. One thread runs it at a
// time. The function object lives as long as the source, so that captures are safe.
template <class... T, class F>
requires std::is_invocable_r_v < BatchCoroutine, F&, BatchWriter<T...>
& > Generator<T...> coroutine(const BatchShapes& shapes, F function) {
  return Generator<T...>(
      std::make_shared<detail::CoroutineGenerator<F, T...>>(shapes, std::move(function)));
}

}  // namespace stoker

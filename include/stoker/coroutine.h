// Coroutines as sources, the C++ counterpart of a Python generator's `yield x, y`.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <tuple>
#include <utility>

#include "stoker/detail/coroutine_promise.h"
#include "stoker/generator.h"

namespace stoker {

// A coroutine yields this when all rows of the batch are filled; for a short batch it yields the
// number of rows.
using WholeBatch = detail::WholeBatch;
inline constexpr WholeBatch whole_batch{};

// The return type of the coroutine. Programs only name it.
class BatchCoroutine {
 public:
  using promise_type = detail::BatchPromise;

  BatchCoroutine(BatchCoroutine&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  BatchCoroutine& operator=(BatchCoroutine&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~BatchCoroutine();

  // Runs to the next co_yield. Returns false when the coroutine has ended, and throws what it
  // threw.
  bool resume();
  // Returns the rows of the batch that was yielded; nothing stands for all of them.
  std::optional<std::int64_t> rows() const;

 private:
  using Handle = std::coroutine_handle<promise_type>;
  friend promise_type;
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

  // The source calls this for each batch.
  void open(BatchContext& context, std::span<T>... fields) {
    context_ = &context;
    fields_ = {fields...};
  }

 private:
  BatchContext* context_ = nullptr;
  std::tuple<std::span<T>...> fields_;
};

// Makes a generator from a coroutine:
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
// time. The function object lives as long as the source, so that captures are safe. How far a
// coroutine has come can't be saved, so that no fit goes on in the middle of one.
template <class... T, class F>
Generator<T...> coroutine(const BatchShapes& shapes, F function);

}  // namespace stoker

#include "stoker/detail/coroutine.h"  // what coroutine() does

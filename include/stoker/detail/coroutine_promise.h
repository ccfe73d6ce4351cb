// The promise of a coroutine that fills batches. Programs include stoker/coroutine.h.
#pragma once

#include <coroutine>
#include <cstdint>
#include <exception>
#include <optional>

namespace stoker {

class BatchCoroutine;

namespace detail {

struct WholeBatch {};

struct BatchPromise {
  BatchCoroutine get_return_object();
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

}  // namespace detail
}  // namespace stoker

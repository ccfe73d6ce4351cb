// Ctrl-C while a fit, an evaluation or a prediction runs.
#pragma once

#include <exception>
#include <optional>
#include <utility>

#include "core/format.h"
#include "stoker/error.h"
#include "stoker/model.h"

namespace stoker::train {

inline constexpr int kInterruptedStatus = 130;  // 128 + SIGINT, as shells say it

// While an object of this class lives, a program without a SIGINT handler of its own has ours: the
// first signal is noted for requested() of all scopes, the second leaves at once with status 130.
// Scopes of several threads may overlap.
class InterruptScope {
 public:
  explicit InterruptScope(bool listen);
  ~InterruptScope() { close(false); }
  InterruptScope(const InterruptScope&) = delete;
  InterruptScope& operator=(const InterruptScope&) = delete;

  bool requested() const;
  // Ends the scope; whether a signal came while it lived. After the last scope SIGINT does what it
  // did before, so that none is lost between the last look and the end; where one came and the
  // program is `leaving`, the next still ends it at once.
  bool close(bool exiting);
  // Another one lives below it, on the same thread, and is told of the signal too.
  bool is_nested() const { return is_nested_; }

 private:
  bool listens_;
  bool is_nested_ = false;
  bool was_requested_ = false;
};

// Says why, waits for other threads that use models, and ends the program with status 130.
[[noreturn]] void exit_on_interrupt(const Interrupted& interrupted);

// Rethrows what a call failed with, as a stoker::Error with the original nested where it is none:
// what a source threw outside of fill(), in size() or spec() say, or a lack of memory.
[[noreturn]] void rethrow_as_error(const char* what, const std::exception_ptr& failure);

// What `work(scope)` returns. A signal that came meanwhile, even after work last looked, or while
// it failed, ends in an Interrupted, or ends the program, as the user chose.
template <class Work>
auto interruptible(const char* what, OnInterrupt on_interrupt, Work work) {
  InterruptScope scope(on_interrupt != OnInterrupt::ignore);
  std::optional<decltype(work(scope))> result;
  std::optional<Interrupted> interrupted;
  std::exception_ptr failure;
  try {
    result.emplace(work(scope));
  } catch (const Interrupted& noticed) {
    interrupted.emplace(noticed);
  } catch (...) {
    failure = std::current_exception();
  }
  const bool exits = on_interrupt == OnInterrupt::exit && !scope.is_nested();
  const bool came = scope.close(exits);
  if (!came && failure) rethrow_as_error(what, failure);
  if (!came && !interrupted) return std::move(*result);
  if (failure) {
    try {
      std::rethrow_exception(failure);
    } catch (const std::exception& error) {
      interrupted.emplace(format(what, ": interrupted, and failed: ", error.what()));
    } catch (...) {
      interrupted.emplace(format(what, ": interrupted, and failed"));
    }
  }
  if (!interrupted)
    interrupted.emplace(format(what, ": interrupted as it ended, after its last step"));
  if (exits) exit_on_interrupt(*interrupted);
  throw *interrupted;
}

}  // namespace stoker::train

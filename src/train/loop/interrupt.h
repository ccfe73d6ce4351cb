// Handles Ctrl-C while a fit, an evaluation or a prediction runs.
#pragma once

#include <exception>
#include <optional>
#include <utility>

#include "core/format.h"
#include "stoker/error.h"
#include "stoker/model.h"

namespace stoker::train {

inline constexpr int kInterruptedStatus = 130;  // Shells report 128 + SIGINT.

// While an object of this class lives, a program without a SIGINT handler of its own has ours: the
// first signal is noted for requested() of all scopes, and the second ends the program at once with
// status 130. Scopes of several threads may overlap.
class InterruptScope {
 public:
  explicit InterruptScope(bool listen);
  ~InterruptScope() { close(false); }
  InterruptScope(const InterruptScope&) = delete;
  InterruptScope& operator=(const InterruptScope&) = delete;

  bool requested() const;
  // Whether signals are noted, because the caller wants it and the program has no handler.
  bool listens() const { return listens_; }
  // Ends the scope and returns whether a signal came while it lived. The last scope restores
  // SIGINT's default before the flag is read, so that no signal is lost between the last check and
  // the end. It leaves our handler in place when a signal came and the program is `exiting`, so
  // that the next signal ends the program at once.
  bool close(bool exiting);
  // Whether the thread had another scope when this one began. That one sees the signal too.
  bool is_nested() const { return is_nested_; }

 private:
  bool listens_;
  bool is_nested_ = false;
  bool was_requested_ = false;
};

// Prints the reason, waits for other threads that use models, and ends the program with status 130.
[[noreturn]] void exit_on_interrupt(const Interrupted& interrupted);

// Rethrows the failure of a call as a stoker::Error, with the original nested in it where that is
// none. Such a failure is an exception of a source outside of fill(), for example in size() or
// spec(), or a lack of memory.
[[noreturn]] void rethrow_as_error(const char* what, const std::exception_ptr& failure);

// Returns what `work(scope)` returns. A signal during the call, even one after the last check of
// `work` or while it failed, ends in an Interrupted or ends the program, as the user chose.
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

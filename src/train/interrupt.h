// Ctrl-C while a fit, an evaluation or a prediction runs.
#pragma once

#include "stoker/error.h"
#include "stoker/model.h"

namespace stoker::train {

// While one lives, a program without a SIGINT handler of its own has ours: the first signal is
// noted for requested(), the second leaves at once with status 130. Scopes of several threads may
// overlap.
class InterruptScope {
 public:
  explicit InterruptScope(bool listen);
  ~InterruptScope();
  InterruptScope(const InterruptScope&) = delete;
  InterruptScope& operator=(const InterruptScope&) = delete;

  bool requested() const;

 private:
  bool listens_;
};

inline constexpr int kInterruptedStatus = 130;  // 128 + SIGINT, as shells say it

// Says why, and ends the program.
[[noreturn]] void leave(const Interrupted& interrupted);

// What `work` returns; an Interrupted from it goes the way that the user chose.
template <class Work>
auto or_leave(OnInterrupt on_interrupt, Work work) {
  try {
    return work();
  } catch (const Interrupted& interrupted) {
    if (on_interrupt != OnInterrupt::exit) throw;
    leave(interrupted);
  }
}

}  // namespace stoker::train

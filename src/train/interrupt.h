// Ctrl-C while a fit runs.
#pragma once

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

}  // namespace stoker::train

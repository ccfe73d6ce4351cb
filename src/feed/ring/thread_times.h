// How long a thread has run on a core, and how long it has waited for one.
#pragma once

#include <cstdint>

namespace stoker::feed {

// Shares of the time that threads spent in some work, as far as they have been measured; 0 before
// that.
struct CoreShares {
  double had = 0.0;     // they ran on a core
  double wanted = 0.0;  // they ran or waited for a core; in the rest they waited for something else
};

// The thread itself makes and reads its ThreadTimes. A reading takes about a microsecond.
class ThreadTimes {
 public:
  ThreadTimes();
  ~ThreadTimes();
  ThreadTimes(const ThreadTimes&) = delete;
  ThreadTimes& operator=(const ThreadTimes&) = delete;

  struct Reading {
    std::int64_t cpu_ns = 0;
    // The time in which the thread could have run but had no core; 0 if the kernel does not tell.
    std::int64_t delayed_ns = 0;
  };
  Reading read() const;

 private:
  int file_;  // its schedstat; -1 where there is none
};

}  // namespace stoker::feed

// What a thread has had of the cores, and how long it waited for one.
#pragma once

#include <cstdint>

namespace stoker::feed {

// Made and asked by the thread that it is about. A reading takes about a microsecond.
class ThreadTimes {
 public:
  ThreadTimes();
  ~ThreadTimes();
  ThreadTimes(const ThreadTimes&) = delete;
  ThreadTimes& operator=(const ThreadTimes&) = delete;

  struct Reading {
    std::int64_t cpu_ns = 0;
    // Time in which it could have run and had no core; 0 where the kernel does not tell.
    std::int64_t delayed_ns = 0;
  };
  Reading read() const;

 private:
  int file_;  // its schedstat; -1 where there is none
};

}  // namespace stoker::feed

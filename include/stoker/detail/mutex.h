// A lock for headers, which do not include <mutex>, since that takes a compiler long.
#pragma once

#include <memory>

namespace stoker::detail {

// A std::mutex, which the library keeps in memory of its own.
class Mutex {
 public:
  Mutex();
  ~Mutex();
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

 private:
  friend class Lock;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Holds a mutex from its construction to its destruction.
class Lock {
 public:
  explicit Lock(Mutex& mutex);
  ~Lock();
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

 private:
  Mutex& mutex_;
};

}  // namespace stoker::detail

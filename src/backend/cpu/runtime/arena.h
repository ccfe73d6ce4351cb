// The compute arena: one for the process's CPU backend, of fixed concurrency. Primitives are
// created and run inside it, so oneDNN's partition of the work and our own always fit it.
#pragma once

#include <memory>

namespace stoker::backend::cpu {

// While one lives, results on its thread that are too small for a normal float32 (below 1.2e-38)
// become 0, and such operands count as 0. Processors take a hundred times as long over them, and
// Adam's averages of gradients that have died away are full of them.
class FlushDenormals {
 public:
  FlushDenormals();
  ~FlushDenormals();
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;

 private:
  unsigned before_ = 0;
};

class ComputeArena {
 public:
  // `threads` is at least 1 and includes the calling thread.
  explicit ComputeArena(int threads);
  ~ComputeArena();
  ComputeArena(const ComputeArena&) = delete;
  ComputeArena& operator=(const ComputeArena&) = delete;

  int threads() const { return threads_; }

  // Runs body() in the arena, on the calling thread; no allocation of ours.
  template <class F>
  void execute(F&& body) {
    auto& reference = body;
    execute_erased([](void* context) { (*static_cast<decltype(&reference)>(context))(); },
                   const_cast<void*>(static_cast<const void*>(&reference)));
  }

 private:
  void execute_erased(void (*body)(void*), void* context);

  struct Impl;
  std::unique_ptr<Impl> impl_;
  int threads_;
};

// No machine has so many: a larger number is a mistake, and would exhaust memory.
inline constexpr int kMostThreads = 4096;

// What STOKER_THREADS says, else the cores that this process may run on. Throws ValueError when the
// variable is no number of threads.
int default_threads();

}  // namespace stoker::backend::cpu

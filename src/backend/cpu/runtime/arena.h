// The compute arena of the CPU backend, whose concurrency is fixed. Primitives are created and run
// inside it, so that oneDNN's partition of the work and our own always fit it.
#pragma once

#include <memory>

namespace stoker::backend::cpu {

// While an object of this class lives, results on its thread that are too small for a normal
// float32 (below 1.2e-38) become 0, and such operands count as 0. Processors take a hundred times
// as long for such numbers, and Adam's averages of gradients that have faded away are full of them.
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

  // Runs body() in the arena, on the calling thread. Our side of the call does not allocate.
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

// No machine has more threads than this. A larger number is a mistake, and would exhaust memory.
inline constexpr int kMostThreads = 4096;

// Returns the number of threads in STOKER_THREADS, or otherwise the number of cores that this
// process may run on. Throws ValueError if the variable is no number of threads.
int default_threads();

}  // namespace stoker::backend::cpu

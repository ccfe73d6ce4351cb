// Threads that make elements of a Dataset ahead, in blocks. Programs include stoker/dataset.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "stoker/detail/dataset_pass.h"

namespace stoker::detail {

// The threads, and the order of what they make. A block of elements is what a thread makes at a
// time: as many as take some tenths of a millisecond, so that handing them over costs little, and
// few if they are large. A block has a place from when it is begun until all its elements have been
// taken; places are numbered from 0.
class Blocks {
 public:
  // The elements of a block.
  struct Range {
    std::int64_t first = 0;  // the number of its first element
    std::size_t count = 0;
  };
  class Maker {
   public:
    virtual ~Maker() = default;
    // Makes room for this many blocks, of at most so many elements each.
    virtual void resize(std::size_t places, std::size_t most) = 0;
    // Reads up to `most` elements of the stage before, and counts them in the range also if it
    // throws. Returns false at the end. One thread at a time calls it, for one block after another.
    virtual bool read(std::size_t place, Range& range, std::size_t most) = 0;
    // Makes the results from what was read, and says in the range how many there are, also if it
    // throws. All threads call it, each for a place of its own.
    virtual void work(std::size_t place, Range& range, StageClock& clock) = 0;
  };
  struct Options {
    int workers = 1;                 // or AUTOTUNE
    std::int64_t most_elements = 0;  // that are made ahead; 0: what suits the workers
    std::int64_t element_bytes = 0;  // of results, where they are known
    StageCounter* counter = nullptr;
    ThreadBudget* budget = nullptr;
    std::int64_t* waited_ns = nullptr;       // what a consumer's waiting is added to
    const std::int64_t* input_ns = nullptr;  // how long read() has waited so far
    StageClock* input_clock = nullptr;       // the one that read() is measured by
  };

  // `maker` must outlive this object. Throws std::system_error if the system has no more threads.
  Blocks(Maker& maker, const Options& options);
  ~Blocks();  // ends the threads
  Blocks(const Blocks&) = delete;
  Blocks& operator=(const Blocks&) = delete;

  struct Taken {
    std::size_t place = 0;
    std::size_t count = 0;  // may be 0
  };
  // Waits for the next block and returns it, or nothing at the end. Throws what the maker threw
  // behind the elements of the last block.
  std::optional<Taken> next();
  // Gives the block of the last call back, unless that call is to throw.
  void give_back();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace stoker::detail

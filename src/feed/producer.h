// The thread that pulls batches from a source into the ring.
#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <thread>

#include "core/timeline.h"
#include "feed/ring.h"
#include "feed/schedule.h"
#include "stoker/source.h"

namespace stoker::feed {

// What stands in a slot's header in place of a number of rows.
inline constexpr std::int64_t kEnded = 0;    // no batch: the source ended the epoch
inline constexpr std::int64_t kFailed = -1;  // no batch: see Producer::failure()

class Producer {
 public:
  // Starts the thread. All that is referred to must outlive it.
  Producer(Source& source, const Schedule& schedule, std::uint64_t seed, Ring& ring, Track& track);
  // Stops the ring and joins, after a call of fill() that is under way.
  ~Producer();
  Producer(const Producer&) = delete;
  Producer& operator=(const Producer&) = delete;

  void join();
  // What ended the thread, a DataError. To be read after join().
  const std::exception_ptr& failure() const { return failure_; }

 private:
  // Of the batch that comes next.
  struct Position {
    std::uint64_t position = 0;  // in the ring, which carries the ends of epochs too
    std::uint64_t batch = 0;     // batches before it
    std::int64_t epoch = 0;      // of the training
    std::int64_t step = 0;       // of that epoch
  };

  void run();
  bool run_epoch();
  std::int64_t produce();
  std::int64_t pull();
  void fail(const std::string& what);

  Source& source_;
  const Schedule& schedule_;
  const std::uint64_t seed_;
  Ring& ring_;
  Track& track_;
  Position next_;
  std::exception_ptr failure_;
  std::thread thread_;
};

}  // namespace stoker::feed

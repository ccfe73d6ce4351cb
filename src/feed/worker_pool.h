// The threads that pull batches from a source into the ring.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "core/timeline.h"
#include "data/permutation.h"
#include "feed/ring.h"
#include "feed/schedule.h"
#include "stoker/source.h"

namespace stoker::feed {

// Workers claim batches in order and fill them side by side; the ring puts them in order again. One
// at a time claims: it waits for a free slot, begins the epoch where the batch is its first, and
// then lets the next one claim while it fills.
//
// Where only the source knows how long an epoch is, workers may have claimed batches beyond its end
// by the time that one of them finds it. What they publish carries its epoch, so that the consumer
// can drop it; the next epoch is not begun before all of them are done.
class WorkerPool {
 public:
  struct Options {
    int workers = 1;  // threads; set_active() says how many of them work
    std::uint64_t seed = 0;
    bool shuffle = false;
    NanPolicy nan_policy = NanPolicy::stop;
    // The step computes on the same cores: where both want one, it comes first.
    bool shares_cores = false;
  };

  // All that threads touch. A thread that was left behind in a call of fill() keeps it alive.
  struct Shared {
    Shared(std::shared_ptr<Source> from, const FeedOptions& options, int slots,
           device::Device& device, int workers);

    const std::shared_ptr<device::Device> device;  // whose memory the ring has
    const std::shared_ptr<Source> source;
    const Schedule schedule;
    const SlotLayout layout;
    Ring ring;
    Timeline timeline;
  };

  // Starts the threads.
  WorkerPool(std::shared_ptr<Shared> shared, const Options& options);
  // Stops the ring and joins, after calls of fill() that are under way.
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  void set_active(int workers);
  int active() const;
  // CPU time over wall time inside of the source, as far as it was measured; 0 before that.
  double cpu_share() const;

  // Which worker fills the batch at `position` since when; empty when none does.
  struct Busy {
    int worker = 0;
    std::int64_t since_ns = 0;
  };
  std::optional<Busy> who_fills(std::uint64_t position) const;

  // No worker will publish any more.
  bool has_ended() const;

  void stop();
  void join();
  // As join(), but threads that are not done by `deadline_ns` of the host's clock are left behind:
  // they end when their call of fill() does.
  void join_or_abandon(std::int64_t deadline_ns);
  // What ended the work, a DataError. To be read after join().
  std::exception_ptr failure() const;

 private:
  class Crew;
  std::shared_ptr<Crew> crew_;
  std::vector<std::thread> threads_;
};

}  // namespace stoker::feed

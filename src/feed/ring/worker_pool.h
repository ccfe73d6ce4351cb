// The threads that pull batches from a source into the ring.
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "core/timeline.h"
#include "feed/ring/claim.h"
#include "feed/ring/feed_options.h"
#include "feed/ring/ring.h"
#include "feed/ring/schedule.h"
#include "feed/ring/slot_layout.h"
#include "feed/ring/thread_times.h"
#include "stoker/source.h"

namespace stoker::feed {

// Workers claim batches in order and fill them side by side; the ring puts them in order again. One
// worker at a time claims: it waits for a free slot, begins the epoch if the batch is its first,
// and then lets the next one claim while it fills.
//
// If only the source knows how long an epoch is, workers may have claimed batches beyond its end by
// the time that one of them finds it. What they publish carries its epoch, so that the consumer can
// drop it. The next epoch does not begin before all of them are done.
class WorkerPool {
 public:
  struct Options {
    int workers = 1;  // the most threads
    int active = 1;   // the threads at first; set_active() changes the number
    std::uint64_t seed = 0;
    bool shuffle = false;
    NanPolicy nan_policy = NanPolicy::stop;
    OnError on_error = OnError::stop;
    std::int64_t max_failures = kMaxFailures;
    // The step computes on the same cores: where both want one, it comes first.
    bool shares_cores = false;
    // The time that a call of fill() may take when the pool waits for its end; 0 is for ever.
    std::int64_t timeout_ns = 0;
    // The state that the source begins with, and whether and how much of it is saved.
    std::vector<std::byte> source_state{};
    bool saves_state = false;
    std::size_t max_state_bytes = 0;
  };

  // Everything that threads touch. A thread that was abandoned in a call of fill() keeps it alive.
  struct Shared {
    Shared(std::shared_ptr<Source> from, const FeedOptions& options, int slots,
           device::Device& device, int workers);

    const std::shared_ptr<device::Device> device;  // the device that gave the ring's memory
    const std::shared_ptr<Source> source;
    const SourceClaim claim;  // held as long as a thread may be in fill()
    const Schedule schedule;
    const SlotLayout layout;
    Ring ring;
    Timeline timeline;
  };

  // Starts the first threads. Throws DeviceError where the system gives not even one.
  WorkerPool(std::shared_ptr<Shared> shared, const Options& options);
  // Stops the ring and joins.
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // Sets the number of workers. Starts threads if there are too few, as many as the system gives.
  void set_active(int workers);
  int active() const;
  // Returns why there are fewer threads than were wanted; empty if there are not.
  const std::string& shortage() const { return shortage_; }
  // Returns the shares of the time inside of the source.
  CoreShares core_shares() const;
  // Returns the number of random numbers that fill() drew one by one.
  std::uint64_t drawn_one_by_one() const;

  // Returns which worker fills the batch at `position`, and since when; empty if none does.
  struct Busy {
    int worker = 0;
    std::int64_t since_ns = 0;
  };
  std::optional<Busy> who_fills(std::uint64_t position) const;

  // Returns whether no worker will publish any more.
  bool has_ended() const;

  void stop();
  // Joins all threads after the calls of fill() that are under way. A call that has lasted for the
  // timeout is abandoned, and its thread ends when the call does; the result is then false.
  bool join();
  // Joins as join() does, but abandons threads that are not done by `deadline_ns` of the host's
  // clock: they end when their call of fill() does.
  void join_or_abandon(std::int64_t deadline_ns);
  // Returns the DataError that ended the work, if any. It may be read after join().
  std::exception_ptr failure() const;

 private:
  class Workers;
  void start_up_to(int workers);

  const bool shares_cores_;
  const std::int64_t timeout_ns_;
  std::shared_ptr<Workers> workers_;
  std::vector<std::thread> threads_;
  std::string shortage_;
};

}  // namespace stoker::feed

// The threads that pull batches from a source into the ring.
#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "core/timeline.h"
#include "feed/claim.h"
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
    int workers = 1;  // that there may be
    int active = 1;   // that there are at first; set_active() says how many there are from then on
    std::uint64_t seed = 0;
    bool shuffle = false;
    NanPolicy nan_policy = NanPolicy::stop;
    // The step computes on the same cores: where both want one, it comes first.
    bool shares_cores = false;
    // The time that a call of fill() may take where the pool waits for its end; 0 is for ever.
    std::int64_t timeout_ns = 0;
  };

  // All that threads touch. A thread that was left behind in a call of fill() keeps it alive.
  struct Shared {
    Shared(std::shared_ptr<Source> from, const FeedOptions& options, int slots,
           device::Device& device, int workers);

    const std::shared_ptr<device::Device> device;  // whose memory the ring has
    const std::shared_ptr<Source> source;
    const SourceClaim claim;  // as long as a thread may be in fill()
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

  // Starts threads where there are too few of them: as many as the system gives.
  void set_active(int workers);
  int active() const;
  // Why there are fewer than were wanted; empty where there are not.
  const std::string& shortage() const { return shortage_; }
  // Shares of the time inside of the source, as far as it was measured; 0 before that.
  struct CoreShares {
    double had = 0.0;     // it ran on a core
    double wanted = 0.0;  // or waited for one: in the rest it waited for something else
  };
  CoreShares core_shares() const;
  // Random numbers that fill() drew one by one.
  std::uint64_t drawn_one_by_one() const;

  // Which worker fills the batch at `position` since when; empty when none does.
  struct Busy {
    int worker = 0;
    std::int64_t since_ns = 0;
  };
  std::optional<Busy> who_fills(std::uint64_t position) const;

  // No worker will publish any more.
  bool has_ended() const;

  void stop();
  // Joins all threads after the calls of fill() that are under way. A call that has lasted for the
  // timeout is left behind, and its thread ends when the call does: then the result is false.
  bool join();
  // Joins as join() does, but threads that are not done by `deadline_ns` of the host's clock are
  // left behind: they end when their call of fill() does.
  void join_or_abandon(std::int64_t deadline_ns);
  // What ended the work, a DataError. To be read after join().
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

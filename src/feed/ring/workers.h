// The work and the state of a WorkerPool's threads: they claim batches, fill them, and end epochs.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "data/permutation.h"
#include "feed/ring/thread_times.h"
#include "feed/ring/worker_pool.h"

namespace stoker::feed {

class WorkerPool::Workers {
 public:
  Workers(std::shared_ptr<Shared> shared, const Options& options)
      : shared_(std::move(shared)),
        source_(*shared_->source),
        schedule_(shared_->schedule),
        ring_(shared_->ring),
        options_(options),
        active_(options.active),
        workers_(static_cast<std::size_t>(options.workers)) {
    next_.epoch = schedule_.first_epoch();
    next_.step = schedule_.first_step();
    next_.batch = static_cast<std::uint64_t>(schedule_.first_batch());
    const std::optional<std::int64_t> pass = source_.batches_per_epoch();
    if (options.shuffle && source_.shuffles_batches() && pass) orders_.emplace(*pass, options.seed);
  }

  void run(int worker);
  void set_active(int workers);
  int active() const { return active_.load(std::memory_order_relaxed); }
  CoreShares core_shares() const;
  std::uint64_t drawn_one_by_one() const;
  // The pool calls begin() before a thread runs as that worker, and end() after it.
  void begin(int worker);
  void end(int worker);
  // Returns the time until which a call that may take `timeout_ns` is waited for.
  std::int64_t deadline_of(int worker, std::int64_t timeout_ns) const;
  std::optional<Busy> who_fills(std::uint64_t position) const;
  void stop();
  std::exception_ptr failure() const;
  bool wait_until_ended(int worker, std::int64_t deadline_ns);
  bool has_ended() const;

 private:
  // A batch that a worker is going to fill.
  struct Claim {
    std::uint64_t position = 0;  // in the ring, which carries the ends of epochs too
    std::uint64_t batch = 0;     // batches of the training before it
    std::int64_t epoch = 0;      // of the training
    std::int64_t step = 0;       // of that epoch
    bool failed = false;         // an exception was thrown as the epoch began
  };
  // The place at which the source, or an error, ended an epoch.
  struct Ending {
    std::int64_t step = 0;
    std::uint64_t batch = 0;
    bool failed = false;
  };
  struct alignas(64) Worker {
    std::atomic<std::uint64_t> filling{0};  // position + 1, or 0
    std::atomic<std::int64_t> since_ns{0};
    std::atomic<std::int64_t> measured_ns{0};
    std::atomic<std::int64_t> measured_cpu_ns{0};
    std::atomic<std::int64_t> measured_delay_ns{0};
    std::atomic<std::uint64_t> drawn{0};  // random numbers, one by one
    std::int64_t last_ns = 0;             // used by the worker alone, as are the members below
    const ThreadTimes* times = nullptr;
    bool ended = true;  // not at work; guarded by state_mutex_
  };

  std::optional<Claim> claim(Worker& worker, int number);
  bool wait_until_active(int number);
  bool open_epoch();
  bool close_epoch();
  bool is_over() const { return over_.load(std::memory_order_relaxed) || ring_.is_stopped(); }
  void end_work();
  void begin_epoch(Worker& worker, Claim& claim);
  void begin_run(const Claim& claim);
  void save_state(SlotNote& note);
  void fill(Worker& worker, int number, const Claim& claim);
  std::int64_t pull(Worker& worker, int number, const Claim& claim, SlotNote& note);
  BatchContext context_of(std::int64_t epoch, std::int64_t index, std::uint64_t sequence) const;
  std::int64_t make(BatchContext& batch, const Slot& slot, SlotNote& note);
  void check_for_nan(const Claim& claim, std::int64_t rows, SlotNote& note) const;
  void fail(const Claim& claim, const std::string& what);

  const std::shared_ptr<Shared> shared_;
  Source& source_;
  const Schedule& schedule_;
  Ring& ring_;
  const Options options_;
  std::optional<data::Permutations> orders_;

  std::atomic<int> active_;
  std::atomic<bool> over_{false};     // no batch is claimed any more
  std::atomic<bool> closing_{false};  // no batch of this epoch is claimed any more

  // The worker that claims holds this mutex, also while it waits for a slot. It guards next_.
  std::mutex claim_mutex_;
  Claim next_;

  // This mutex is never held for long, and guards the members below.
  mutable std::mutex state_mutex_;
  std::condition_variable drained_;    // in_flight_ is 0
  std::condition_variable activated_;  // active_ or over_ has changed
  std::condition_variable thread_ended_;
  int in_flight_ = 0;
  std::optional<Ending> ending_;  // the earliest end of the current epoch
  std::exception_ptr failure_;    // the error of ending_
  std::vector<Worker> workers_;
};

}  // namespace stoker::feed

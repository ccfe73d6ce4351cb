// The implementation of Feed.
#pragma once

#include <atomic>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "feed/feed.h"
#include "feed/ring/ring.h"
#include "feed/ring/schedule.h"
#include "feed/ring/sizes.h"
#include "feed/ring/worker_pool.h"

namespace stoker::feed {

struct Feed::Impl {
  Impl(std::shared_ptr<Source> from, const FeedOptions& feed_options, device::Device& device,
       OnWait call_on_wait);

  // ---- feed.cpp: batches in order, epochs ----
  std::optional<Batch> next();
  void end_epoch();
  void end_source();
  void keep_state(SlotNote& note);
  void warn(const std::string& what) const { options.give_warning(what); }
  void warn_of_nan(const SlotNote& note);
  void count_failures(const SlotNote& note);
  // Returns "batch 17 (epoch 2, batch 7 of it)" for the batch that next() is to return.
  std::string place() const;
  std::string describe_next() const;
  // Returns what was measured since the last report, as of `now`.
  FeedReport measured(const TimelineTotals& now) const;

  // ---- waiting.cpp: waiting for a batch, and giving it up ----
  SlotNote* take();
  enum class Waited : std::uint8_t { filled, timed_out, given_up, workers_ended };
  Waited wait(std::int64_t begin_ns);
  void wait_for_a_run_of_steps();
  void give_up();
  [[noreturn]] void time_out(std::int64_t waited_ns);
  [[noreturn]] void fail_for_missing_batch();
  [[noreturn]] void rethrow();
  [[noreturn]] void fail(const std::string& where, const std::string& what);

  const FeedOptions options;
  const OnWait on_wait;
  const bool saves_state;   // whether the source's state is saved after each batch
  const bool shares_cores;  // whether workers and step share cores
  const Sizes sizes;
  const std::shared_ptr<WorkerPool::Shared> shared;
  Source& source;
  const Schedule& schedule;
  Ring& ring;

  TimelineTotals reported;  // the part that earlier reports have included
  std::uint64_t drawn = 0;  // numbers drawn up to the last report
  FeedReport counts;        // counts of batches since the last report

  // The consumer's own place: the batch that next() returns.
  std::uint64_t position = 0;  // in the ring, which carries the ends of epochs too
  std::uint64_t sequence;      // batches of the training before it
  std::int64_t epoch;
  std::int64_t step;
  std::vector<std::byte> source_state;  // of the batch before it
  std::vector<StageReport> reported_stages;
  bool ran_out = false;
  bool stopped = false;
  std::exception_ptr failed;

  stoker::detail::Failures failures;  // of all batches so far
  bool warned_of_nan = false;         // the warning is given once
  bool waits = false;                 // whether take() waits at present
  // The time since which it does, for displays; 0 if it does not.
  std::atomic<std::int64_t> waiting_since_ns{0};
  std::int64_t epoch_begin_ns = 0;  // 0 between epochs
  std::int64_t epoch_waited_ns = 0;
  std::uint64_t taken = 0;     // batches that next() has returned
  std::uint64_t next_run = 8;  // how many batches are taken before the next run of steps

  WorkerPool pool;  // the last member, since its threads use the others and must stop first
};

// Options and reports are in seconds.
inline double seconds(std::int64_t ns) { return 1e-9 * static_cast<double>(ns); }

}  // namespace stoker::feed

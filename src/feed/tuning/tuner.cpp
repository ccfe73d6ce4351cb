#include "feed/tuning/tuner.h"

#include <time.h>

#include "feed/ring/sizes.h"

namespace stoker::feed {
namespace {

std::int64_t process_cpu_ns() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return std::int64_t{1'000'000'000} * time.tv_sec + time.tv_nsec;
}

}  // namespace

Tuner::Tuner(Feed& feed, const FeedOptions& options, int device_slots)
    : feed_(feed), tunes_workers_(options.workers == AUTOTUNE && feed.max_workers() > 1) {
  const bool tunes_queue = options.max_queue_size == AUTOTUNE;
  if (!tunes_workers_ && !tunes_queue) return;
  autotune_.emplace(TuneLimits{.max_workers = feed.max_workers(),
                               .max_slots = feed.ring_size(),
                               .queued = tunes_queue ? feed.queue_size() : options.max_queue_size,
                               .tune_workers = tunes_workers_,
                               .tune_slots = tunes_queue,
                               .device_slots = device_slots,
                               .cores = static_cast<double>(cores())},
                    Autotune::Choice{.workers = feed.workers(), .slots = feed.queue_size() + 1},
                    Autotune::Measured{.cpu_ns = process_cpu_ns()});
}

std::int64_t Tuner::training_ns() const { return before_ns_ + now_ns() - epoch_begin_ns_; }

bool Tuner::count_batch() {
  ++batches_;
  return autotune_ && autotune_->is_due(batches_, training_ns());
}

void Tuner::decide(const StageDurations& device) {
  const TimelineTotals totals = feed_.timeline().snapshot();
  const CoreShares shares = feed_.core_shares();
  const std::optional<Autotune::Choice> choice =
      autotune_->decide({.batches = batches_,
                         .training_ns = training_ns(),
                         .cpu_ns = process_cpu_ns(),
                         .waited_ns = static_cast<std::int64_t>(
                             1e9 * totals[Stage::wait_for_generator].durations.total()),
                         .cpu_share = shares.had,
                         .core_share = shares.wanted,
                         .durations = {.generate = totals[Stage::generate].durations,
                                       .upload = device.upload,
                                       .step = device.step}});
  if (!choice) return;
  feed_.set_workers(choice->workers);
  feed_.set_queue_size(choice->slots - 1);
}

void Tuner::report(FeedReport& report) const {
  report.tuned = autotune_.has_value();
  report.tuned_workers = tunes_workers_;
}

}  // namespace stoker::feed

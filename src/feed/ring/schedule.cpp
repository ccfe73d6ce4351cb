#include "feed/ring/schedule.h"

#include <algorithm>

#include "core/check.h"
#include "core/format.h"
#include "feed/ring/resume.h"
#include "stoker/error.h"

namespace stoker::feed {
namespace {

// A queue of this many batches is longer than anybody can use, and still within what a system
// allows.
constexpr int kMostQueued = 65536;
constexpr int kMostThreads = 4096;

void check_options(const FeedOptions& options, const Source& source) {
  if (options.epochs < 0 || options.first_epoch < 0) {
    throw ValueError(format(options.what,
                            ": expected 0 or more epochs from epoch 0 or later, received ",
                            options.epochs, " from epoch ", options.first_epoch));
  }
  if (options.first_step < 0 || options.first_batch < options.first_step) {
    throw ValueError(format(options.what,
                            ": expected to begin with step 0 or later, after at least as many "
                            "batches, received step ",
                            options.first_step, " after ", options.first_batch, " batches"));
  }
  check_resume(options, source);
  if (options.steps_per_epoch && *options.steps_per_epoch < 1) {
    throw ValueError(format(options.what, ": expected steps_per_epoch of at least 1, received ",
                            *options.steps_per_epoch));
  }
  if (!options.steps_per_epoch && source.endless()) {
    throw ValueError(format(
        options.what,
        ": expected steps_per_epoch, since this generator never ends. Set "
        "steps_per_epoch (validation_steps, or steps), or return the number of rows, 0 to end the "
        "epoch."));
  }
  if (options.max_queue_size != AUTOTUNE) {
    check::require(options.what, "max_queue_size (or AUTOTUNE)", options.max_queue_size,
                   check::closed(1, kMostQueued));
  }
  if (options.workers != AUTOTUNE) {
    check::require(options.what, "workers (or AUTOTUNE)", options.workers,
                   check::closed(1, kMostThreads));
  }
  check::require(options.what, "max_workers", options.max_workers, check::closed(1, kMostThreads));
  check::require(options.what, "max_failures", options.max_failures, check::at_least(0));
  check::require(options.what, "generator_timeout", options.timeout_seconds,
                 check::or_infinity(check::at_least(0)));
}

}  // namespace

Schedule::Schedule(const FeedOptions& options, const Source& source)
    : first_epoch_(options.first_epoch),
      first_step_(options.first_step),
      first_batch_(options.first_batch),
      end_epoch_(options.first_epoch + options.epochs),
      steps_per_epoch_(options.steps_per_epoch) {
  check_options(options, source);
  pass_ = source.batches_per_epoch();
  if (pass_ && *pass_ < 1) {
    throw DataError(format("the source gave no batch: it says that an epoch of it has ", *pass_));
  }
  if (pass_ && steps_per_epoch_) epochs_per_pass_ = (*pass_ - 1) / *steps_per_epoch_ + 1;
  const std::optional<std::int64_t> first_steps = steps(first_epoch_);
  if (first_steps && first_step_ > *first_steps) {
    throw ValueError(format(options.what, ": expected to begin within an epoch of ", *first_steps,
                            " batches, received step ", first_step_,
                            " to begin with. The source or steps_per_epoch is another one than "
                            "that of the fit that stopped there"));
  }
}

std::int64_t Schedule::first_index(std::int64_t epoch) const {
  return epochs_per_pass_ == 1 ? 0 : epoch % epochs_per_pass_ * *steps_per_epoch_;
}

std::int64_t Schedule::source_epoch_before() const {
  const bool is_earlier = first_step_ == 0 && first_epoch_ > 0;
  return source_epoch(is_earlier ? first_epoch_ - 1 : first_epoch_);
}

RunStart Schedule::start_at(std::int64_t epoch, std::int64_t step) const {
  return {.epoch = source_epoch(epoch),
          .index = first_index(epoch) + step,
          .sequence = first_batch_,
          .steps_per_epoch = steps_per_epoch_};
}

std::optional<std::int64_t> Schedule::steps(std::int64_t epoch) const {
  if (!pass_) return steps_per_epoch_;
  const std::int64_t left = *pass_ - first_index(epoch);
  return steps_per_epoch_ ? std::min(*steps_per_epoch_, left) : left;
}

std::int64_t Schedule::total_up_to(std::int64_t limit) const {
  const std::optional<std::int64_t> most = steps_per_epoch_ ? steps_per_epoch_ : pass_;
  const std::int64_t epochs = end_epoch_ - first_epoch_;
  std::int64_t total = 0;
  if (!most || __builtin_mul_overflow(*most, epochs, &total)) return limit;
  return std::min(total, limit);
}

}  // namespace stoker::feed

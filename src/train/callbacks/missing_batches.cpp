#include "train/callbacks/missing_batches.h"

#include <iostream>

#include "train/loop/loop.h"

namespace stoker::train {

void MissingBatches::on_epoch_end(std::int64_t epoch, Logs&) {
  const bool is_short = options_.steps_per_epoch && !loop_.was_stopped() &&
                        options_.nan_policy != NanPolicy::skip &&
                        loop_.steps_of_epoch() < *options_.steps_per_epoch;
  if (!is_short || loop_.has_run_out() || warned_) return;
  warned_ = true;
  std::cerr << "Warning: epoch " << epoch + 1 << " had " << loop_.steps_of_epoch()
            << " batches of the " << *options_.steps_per_epoch
            << " that steps_per_epoch asks for: the source's pass through its data "
            << "ended. The next epoch begins a new pass.\n";
}

// The source may run out where an epoch ends, which shows when the next one has no batch.
void MissingBatches::on_train_end(const Logs&) {
  if (!loop_.is_open() || !loop_.has_run_out()) return;
  std::cerr << "Warning: the source ran out of data after " << loop_.steps() << " batches";
  if (options_.steps_per_epoch) {
    std::cerr << "; steps_per_epoch * epochs asks for "
              << *options_.steps_per_epoch * options_.epochs;
  } else {
    std::cerr << ", in epoch " << loop_.epoch() + 1 << " of " << params().epochs;
  }
  std::cerr << ". Training stops here.\n";
}

void ShortPass::warn() const {
  const std::int64_t steps = loop_.steps_of_epoch();
  if (loop_.was_stopped()) return;
  if (options_.nan_policy == NanPolicy::skip) {
    if (steps == 0) {
      std::cerr
          << "Warning: no batch was left to evaluate: each of them held a NaN and was skipped.\n";
    }
  } else if (options_.steps_per_epoch && steps < *options_.steps_per_epoch) {
    std::cerr << "Warning: the source ran out of data after " << steps << " batches of the "
              << *options_.steps_per_epoch << " that were asked for.\n";
  }
}

}  // namespace stoker::train

// A run that was measured, as the throughput model sees it: what its stages took, and how it was
// arranged. Advice and what_if() ask it what another arrangement would have brought.
#pragma once

#include "feed/tuning/throughput_model.h"
#include "stoker/report.h"

namespace stoker::report {

class RunModel {
 public:
  // The report has to outlive the model.
  explicit RunModel(const FeedReport& report);

  const feed::StageDurations& durations() const { return durations_; }
  const feed::Arrangement& now() const { return now_; }

  // Returns the seconds of a batch in that arrangement: the measured time multiplied by the ratio
  // of new to old by the throughput model, so that whatever that does not know of cancels out.
  double predict(const feed::Arrangement& arrangement) const;

  // The share of its time in which the generator wanted a core, whether it had one or not.
  double core_share() const;
  // The seconds that a call of the generator would take if so many workers shared so many cores,
  // and computed in it only `computes` times as long as they do.
  double call_with(int workers, double cores, double computes = 1.0) const;
  // The CPU seconds of a batch, where the generator takes so many times its CPU time, and the step
  // so many times its own.
  double cpu_seconds(double generator, double step) const;

  // The arrangement with so many workers and a ring that is large enough for them: each fills one
  // slot while another is ready.
  feed::Arrangement with_workers(int workers) const;

 private:
  const FeedReport& report_;
  const feed::StageDurations durations_;
  const double generator_cpu_, step_cpu_;  // The CPU seconds of a batch.
  const feed::Arrangement now_;
  const double modelled_;
};

}  // namespace stoker::report

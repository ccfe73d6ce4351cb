// The wall and CPU time of a run, which a feed's report has beside what the feed measured.
#pragma once

#include <cstdint>

#include "stoker/report.h"

namespace stoker::train {

class RunClock {
 public:
  void begin();
  // Ends the CPU time. The wall time goes on until a report is asked for.
  void end();
  std::int64_t begin_ns() const { return begin_ns_; }
  // Adds what the feed does not know. `step_cores` are the cores that the step computes on, if the
  // source's threads run on the same ones, and otherwise 0.
  void complete(FeedReport& report, double step_cores) const;

 private:
  std::int64_t begin_ns_ = 0;
  double cpu_begin_ = 0.0;
  double cpu_seconds_ = 0.0;
  bool runs_ = false;
};

}  // namespace stoker::train

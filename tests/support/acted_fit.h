// A fit acted out event by event, on a clock of its own: workers, ring, uploads, launches and
// steps, with the times that a simulated device would have been given, and a report as the feed
// would have made it. Nothing here asks feed/tuning/throughput_model.h, which is what it is held
// against.
#pragma once

#include <cstdint>
#include <functional>

#include "stoker/report.h"

namespace stoker::test {

// What a batch costs. Seconds.
struct Work {
  double generate = 0.0;
  double cpu_share = 0.0;      // of that: on a core; the rest waits for something else
  double convert_share = 0.0;  // of that: cast()
  double late_share = 0.0;     // of the batches take `late_factor` times as long to generate
  double late_factor = 1.0;
  double upload = 0.0;
  double launch = 0.0;
  double step = 0.0;
  // On the CPU: how much longer a step takes that follows a wait.
  double cold = 0.0;
  double jitter = 0.3;  // of generation, uploads and steps, each its own
  double bytes = 1e6;
  double float_share = 1.0;
};

struct Setting {
  bool on_cpu = false;  // steps read the host's memory, on its cores
  int workers = 1;
  int queue = 10;
  double cores = 2.0;
  double step_threads = 1.0;  // on the CPU
  std::int64_t batches = 2000;
  SourceKind kind = SourceKind::function;
  bool is_pure = true;
  bool tunes = false;  // workers are AUTOTUNE, up to `max_workers`
  int max_workers = 64;
};

// The report of the second half, where the beginning is forgotten.
FeedReport act(const Work& work, const Setting& setting);

}  // namespace stoker::test

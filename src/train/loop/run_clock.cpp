#include "train/loop/run_clock.h"

#include <time.h>

#include <algorithm>
#include <thread>

#include "core/timeline.h"

namespace stoker::train {
namespace {

double process_cpu_seconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

}  // namespace

void RunClock::begin() {
  begin_ns_ = now_ns();
  cpu_begin_ = process_cpu_seconds();
  runs_ = true;
}

void RunClock::end() {
  cpu_seconds_ = process_cpu_seconds() - cpu_begin_;
  runs_ = false;
}

void RunClock::complete(FeedReport& report, double step_cores) const {
  report.wall = 1e-9 * static_cast<double>(now_ns() - begin_ns_);
  report.other = std::max(0.0, report.wall - report.computed - report.waited_for_generator -
                                   report.waited_for_upload - report.waited_for_launch);
  report.cpu = runs_ ? process_cpu_seconds() - cpu_begin_ : cpu_seconds_;
  report.cores = static_cast<double>(std::max(1U, std::thread::hardware_concurrency()));
  report.step_cores = std::min(step_cores, report.cores);
}

}  // namespace stoker::train

// The division of a device's time into work and waiting: arithmetic on when each batch was filled,
// issued, uploaded, launched and stepped, wherever these times come from.
#pragma once

#include <cstdint>

#include "feed/tuning/starvation.h"
#include "stoker/report.h"

namespace stoker::feed {

// The times of one batch, on one clock.
struct BatchTimes {
  std::int64_t filled_ns = 0;    // the generator was done with it
  std::int64_t issued_ns = 0;    // the host asked for its upload
  std::int64_t launched_ns = 0;  // the host had launched its step
  std::int64_t uploaded_ns = 0;
  std::int64_t stepped_ns = 0;
  std::int64_t epoch_ns = 0;  // its epoch began; idle time before that is not waiting
};

struct DeviceSpan {
  std::int64_t upload_begin_ns = 0;
  std::int64_t step_begin_ns = 0;
  // The times for which the device was idle before the step, by what it waited for.
  std::int64_t waited_for_generator_ns = 0;
  std::int64_t waited_for_upload_ns = 0;
  std::int64_t waited_for_launch_ns = 0;
};

// Returns what the device did for a batch. `before` is the batch before it. `read_ns` is when the
// step ended that last read the same device slot.
DeviceSpan span_of(const BatchTimes& batch, const BatchTimes& before, std::int64_t read_ns);

// Adds a batch to a report.
void add_to(FeedReport& report, const BatchTimes& batch, const DeviceSpan& span);
// Adds the waiting before a batch to what was waited for, stage by stage.
void add_to(Starvation::Waits& waits, const DeviceSpan& span);

}  // namespace stoker::feed

#include "feed/upload/device_time.h"

#include <algorithm>

namespace stoker::feed {
namespace {

double seconds(std::int64_t ns) { return 1e-9 * static_cast<double>(ns); }

}  // namespace

DeviceSpan span_of(const BatchTimes& batch, const BatchTimes& before, std::int64_t read_ns) {
  DeviceSpan span;
  // An upload begins when it is issued, when the one before it has ended, and when the device slot
  // has been read.
  span.upload_begin_ns =
      std::min(batch.uploaded_ns, std::max({batch.issued_ns, before.uploaded_ns, read_ns}));
  span.step_begin_ns = std::min(
      batch.stepped_ns, std::max({before.stepped_ns, batch.uploaded_ns, batch.launched_ns}));
  // The device's idle time is put down to the earliest stage that was late: if that stage had been
  // on time, the stages after it would have been hidden. Only a launch after the end of the upload
  // would have been late in any case.
  const std::int64_t from = std::max(before.stepped_ns, batch.epoch_ns);
  const std::int64_t idle = std::max<std::int64_t>(0, span.step_begin_ns - from);
  if (batch.filled_ns > from) {
    span.waited_for_generator_ns = idle;
  } else if (batch.issued_ns > from) {
    span.waited_for_launch_ns = idle;
  } else {
    span.waited_for_upload_ns = std::clamp<std::int64_t>(batch.uploaded_ns - from, 0, idle);
    span.waited_for_launch_ns = idle - span.waited_for_upload_ns;
  }
  return span;
}

void add_to(FeedReport& report, const BatchTimes& batch, const DeviceSpan& span) {
  report.waited_for_generator += seconds(span.waited_for_generator_ns);
  report.waited_for_upload += seconds(span.waited_for_upload_ns);
  report.waited_for_launch += seconds(span.waited_for_launch_ns);
  const std::int64_t step = batch.stepped_ns - span.step_begin_ns;
  report.computed += seconds(step);
  report.step.add(step);
  report.upload.add(batch.uploaded_ns - span.upload_begin_ns);
  report.launch.add(batch.launched_ns - batch.issued_ns);
}

void add_to(Starvation::Waits& waits, const DeviceSpan& span) {
  const auto add = [&](Starvation::Stage stage, std::int64_t ns) {
    waits[static_cast<std::size_t>(stage)] += ns;
  };
  add(Starvation::Stage::generator, span.waited_for_generator_ns);
  add(Starvation::Stage::upload, span.waited_for_upload_ns);
  add(Starvation::Stage::launch, span.waited_for_launch_ns);
}

}  // namespace stoker::feed

#include "feed/upload/device_clock.h"

#include <algorithm>
#include <limits>

namespace stoker::feed {
namespace {

// The time between two checks for events that have passed.
constexpr std::int64_t kPollInterval = 100'000'000;
constexpr int kTries = 4;

std::int64_t nanoseconds(double seconds) { return static_cast<std::int64_t>(1e9 * seconds); }

}  // namespace

DeviceClock::DeviceClock(device::Device& device, device::Stream& copy, device::Stream& compute,
                         Track& uploads, Track& steps, int in_flight)
    : uploads_(uploads), steps_(steps), in_flight_(static_cast<std::size_t>(in_flight)) {
  for (InFlight& batch : in_flight_) {
    batch.uploaded = device.make_timed_event();
    batch.stepped = device.make_timed_event();
  }
  for (DurationHistogram* took : {&since_.step, &since_.upload, &since_.launch}) took->reserve();
  copy.synchronize();
  compute.synchronize();
  synchronize_clocks(device, copy);
  stepped_ns_ = epoch_ns_ = uploaded_ns_;
}

// On an idle stream an event is recorded between two readings of the host's clock, however long the
// thread is suspended between them. Of a few such pairs the closest tells best when that was.
void DeviceClock::synchronize_clocks(device::Device& device, device::Stream& copy) {
  std::int64_t closest = std::numeric_limits<std::int64_t>::max();
  for (int i = 0; i < kTries; ++i) {
    std::unique_ptr<device::Event> event = device.make_timed_event();
    const std::int64_t before = now_ns();
    copy.record(*event);
    const std::int64_t took = now_ns() - before;
    copy.synchronize();  // the stream is idle again, and the event may be destroyed
    if (took >= closest) continue;
    closest = took;
    uploaded_ns_ = before;
    first_ = std::move(event);
  }
}

void DeviceClock::begin_epoch(std::int64_t now) { epoch_ns_ = polled_ns_ = now; }

// A batch is accounted for before its events are recorded again, and one batch earlier than that,
// since accounting for a batch also needs the events of the one before.
void DeviceClock::make_room(std::uint64_t batch) {
  if (batch + 1 >= accounted_ + in_flight_.size()) account();
}

void DeviceClock::issue(std::uint64_t batch, const Batch& filled) {
  InFlight& next = in_flight(batch);
  next.sequence = static_cast<std::uint64_t>(filled.sequence);
  next.times = {.filled_ns = filled.filled_ns, .issued_ns = now_ns(), .epoch_ns = epoch_ns_};
}

bool DeviceClock::poll(std::int64_t now) {
  if (now < polled_ns_ + kPollInterval) return false;
  polled_ns_ = now;
  while (accounted_ < launched_ && stepped(accounted_).has_passed()) account();
  return true;
}

std::int64_t DeviceClock::idle_ns(std::int64_t now) const {
  return accounted_ == launched_ ? std::max<std::int64_t>(0, now - done_ns()) : 0;
}

void DeviceClock::launched(std::uint64_t batch) {
  in_flight(batch).times.launched_ns = now_ns();
  launched_ = batch + 1;
}

bool DeviceClock::wait_for_oldest() {
  if (accounted_ == launched_) return false;
  stepped(accounted_).synchronize();
  account();
  return true;
}

void DeviceClock::account_for_all() {
  while (accounted_ < launched_) account();
  // The clocks drift apart, and an event that has passed must not lie in the future.
  const std::int64_t now = now_ns();
  uploaded_ns_ = std::min(uploaded_ns_, now);
  stepped_ns_ = std::min(stepped_ns_, now);
}

void DeviceClock::account() {
  InFlight& batch = in_flight(accounted_);
  device::Event& before_it = accounted_ == 0 ? *first_ : uploaded(accounted_ - 1);
  // Times form one chain from upload to upload, and no upload can have ended before it was issued.
  // The end of a step is measured from the end of its upload, so that the device's own times do not
  // depend on how well the clocks are synchronized.
  const std::int64_t uploaded = std::max(
      uploaded_ns_ + nanoseconds(batch.uploaded->seconds_since(before_it)), batch.times.issued_ns);
  const std::int64_t stepped =
      uploaded + nanoseconds(batch.stepped->seconds_since(*batch.uploaded));

  batch.times.uploaded_ns = uploaded;
  batch.times.stepped_ns = stepped;
  const BatchTimes before{.uploaded_ns = uploaded_ns_, .stepped_ns = stepped_ns_};
  std::int64_t& read = read_ns_[accounted_ % kDeviceSlots];
  const DeviceSpan span = span_of(batch.times, before, std::exchange(read, stepped));
  add_to(since_, batch.times, span);
  if (batch.times.epoch_ns == epoch_ns_) add_to(waits_, span);
  durations_.step.add(stepped - span.step_begin_ns);
  durations_.upload.add(uploaded - span.upload_begin_ns);
  uploads_.stamp(Stage::upload, batch.sequence, span.upload_begin_ns, uploaded);
  steps_.stamp(Stage::compute, batch.sequence, span.step_begin_ns, stepped);

  uploaded_ns_ = uploaded;
  stepped_ns_ = stepped;
  ++accounted_;
}

void DeviceClock::report(FeedReport& report) const {
  report.waited_for_generator = since_.waited_for_generator;
  report.waited_for_upload = since_.waited_for_upload;
  report.waited_for_launch = since_.waited_for_launch;
  report.computed = since_.computed;
  report.step = since_.step;
  report.upload = since_.upload;
  report.launch = since_.launch;
  report.device_slots = kDeviceSlots;
}

void DeviceClock::forget_reported() {
  // The histograms keep their memory, so that the next epoch allocates nothing.
  since_.waited_for_generator = since_.waited_for_upload = since_.waited_for_launch = 0.0;
  since_.computed = 0.0;
  since_.step.clear();
  since_.upload.clear();
  since_.launch.clear();
}

}  // namespace stoker::feed

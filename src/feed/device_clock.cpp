#include "feed/device_clock.h"

#include <algorithm>
#include <utility>

namespace stoker::feed {
namespace {

// How often one looks for what has passed.
constexpr std::int64_t kLookNs = 100'000'000;

std::int64_t nanoseconds(double seconds) { return static_cast<std::int64_t>(1e9 * seconds); }

}  // namespace

DeviceClock::DeviceClock(device::Device& device, device::Stream& copy, device::Stream& compute,
                         Feed& feed, int in_flight)
    : feed_(feed),
      places_(static_cast<std::size_t>(in_flight)),
      first_uploaded_(device.make_timed_event()),
      first_stepped_(device.make_timed_event()) {
  for (Place& place : places_) {
    place.uploaded = device.make_timed_event();
    place.stepped = device.make_timed_event();
  }
  // Idle streams record at once; waiting for them takes the host longer.
  uploaded_ns_ = stepped_ns_ = epoch_ns_ = now_ns();
  copy.record(*first_uploaded_);
  compute.record(*first_stepped_);
  copy.synchronize();
  compute.synchronize();
}

void DeviceClock::begin_epoch(std::int64_t now) {
  epoch_ns_ = looked_ns_ = now;
  starvation_.begin_epoch(now);
}

void DeviceClock::issue(std::uint64_t batch, const Batch& filled) {
  // The place before this one's is still whole, and needed to account for the one after.
  if (batch + 1 >= accounted_ + places_.size()) account();
  look(now_ns());
  Place& place = this->place(batch);
  place.sequence = static_cast<std::uint64_t>(filled.sequence);
  place.times = {.filled_ns = filled.filled_ns, .issued_ns = now_ns(), .epoch_ns = epoch_ns_};
}

void DeviceClock::look(std::int64_t now) {
  if (now < looked_ns_ + kLookNs) return;
  looked_ns_ = now;
  while (accounted_ < launched_ && stepped(accounted_).has_passed()) account();
  warn_of_starvation(now);
}

// Where all that was launched is done, the device waits for what the host waits for now.
void DeviceClock::warn_of_starvation(std::int64_t now) {
  const std::int64_t idle = accounted_ == launched_
                                ? std::max<std::int64_t>(0, now - std::max(stepped_ns_, epoch_ns_))
                                : 0;
  const std::optional<Starvation::Found> found = starvation_.look(now, idle);
  if (found) feed_.warn_of_starvation(*found);
}

void DeviceClock::launched(std::uint64_t batch) {
  place(batch).times.launched_ns = now_ns();
  launched_ = batch + 1;
}

void DeviceClock::drain() {
  while (accounted_ < launched_) {
    stepped(accounted_).synchronize();
    account();
    warn_of_starvation(stepped_ns_);
  }
  starvation_.end_epoch(std::max(stepped_ns_, epoch_ns_));
}

void DeviceClock::settle() {
  while (accounted_ < launched_) account();
  // The clocks drift apart: what has happened is not in the future.
  const std::int64_t now = now_ns();
  uploaded_ns_ = std::min(uploaded_ns_, now);
  stepped_ns_ = std::min(stepped_ns_, now);
}

void DeviceClock::account() {
  Place& batch = place(accounted_);
  device::Event& uploaded_before = accounted_ == 0 ? *first_uploaded_ : uploaded(accounted_ - 1);
  device::Event& stepped_before = accounted_ == 0 ? *first_stepped_ : stepped(accounted_ - 1);
  const std::int64_t uploaded =
      uploaded_ns_ + nanoseconds(batch.uploaded->seconds_since(uploaded_before));
  const std::int64_t stepped =
      stepped_ns_ + nanoseconds(batch.stepped->seconds_since(stepped_before));

  batch.times.uploaded_ns = uploaded;
  batch.times.stepped_ns = stepped;
  const BatchTimes before{.uploaded_ns = uploaded_ns_, .stepped_ns = stepped_ns_};
  std::int64_t& read = read_ns_[accounted_ % kDeviceSlots];
  const DeviceSpan span = span_of(batch.times, before, std::exchange(read, stepped));
  add_to(since_, batch.times, span);
  if (batch.times.epoch_ns == epoch_ns_) add_to(starvation_, span);
  feed_.note_step(stepped - span.step_begin_ns);
  feed_.note_upload(uploaded - span.upload_begin_ns);
  const std::size_t copies = feed_.consumer_track() + 1;
  feed_.timeline().track(copies).stamp(Stage::upload, batch.sequence, span.upload_begin_ns,
                                       uploaded);
  feed_.timeline()
      .track(copies + 1)
      .stamp(Stage::compute, batch.sequence, span.step_begin_ns, stepped);

  uploaded_ns_ = uploaded;
  stepped_ns_ = stepped;
  ++accounted_;
}

void DeviceClock::report(FeedReport& report) {
  report.waited_for_generator = since_.waited_for_generator;
  report.waited_for_upload = since_.waited_for_upload;
  report.waited_for_launch = since_.waited_for_launch;
  report.computed = since_.computed;
  report.step = since_.step;
  report.upload = since_.upload;
  report.device_slots = kDeviceSlots;
  // The histograms keep their room, so that the next epoch allocates nothing.
  since_.waited_for_generator = since_.waited_for_upload = since_.waited_for_launch = 0.0;
  since_.computed = 0.0;
  since_.step.clear();
  since_.upload.clear();
}

}  // namespace stoker::feed

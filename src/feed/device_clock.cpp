#include "feed/device_clock.h"

#include <algorithm>

namespace stoker::feed {
namespace {

// How often one looks for what has passed.
constexpr std::int64_t kLookNs = 100'000'000;
constexpr std::array<const char*, 3> kStages = {"the generator", "uploads", "launches"};

std::int64_t nanoseconds(double seconds) { return static_cast<std::int64_t>(1e9 * seconds); }
double seconds(std::int64_t ns) { return 1e-9 * static_cast<double>(ns); }

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
  waited_ = {};
}

void DeviceClock::issue(std::uint64_t batch, const Batch& filled) {
  // The place before this one's is still whole, and needed to account for the one after.
  if (batch + 1 >= accounted_ + places_.size()) account();
  look(now_ns());
  Place& place = this->place(batch);
  place.sequence = static_cast<std::uint64_t>(filled.sequence);
  place.filled_ns = filled.filled_ns;
  place.issued_ns = now_ns();
  place.epoch_ns = epoch_ns_;
}

void DeviceClock::look(std::int64_t now) {
  if (now < looked_ns_ + kLookNs) return;
  looked_ns_ = now;
  while (accounted_ < launched_ && stepped(accounted_).has_passed()) account();
  warn_of_starvation();
}

void DeviceClock::warn_of_starvation() {
  const double waited = waited_[0] + waited_[1] + waited_[2];
  const auto most = std::ranges::max_element(waited_) - waited_.begin();
  feed_.note_starving(kStages[static_cast<std::size_t>(most)], waited,
                      seconds(stepped_ns_ - epoch_ns_));
}

void DeviceClock::launched(std::uint64_t batch) {
  place(batch).launched_ns = now_ns();
  launched_ = batch + 1;
}

void DeviceClock::drain() {
  while (accounted_ < launched_) {
    stepped(accounted_).synchronize();
    account();
    warn_of_starvation();
  }
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

  // An upload begins when it is issued, when the one before it has ended, and when the device slot
  // has been read.
  std::int64_t upload_begin = std::max(batch.issued_ns, uploaded_ns_);
  if (accounted_ >= kDeviceSlots) {
    upload_begin = std::max(upload_begin, place(accounted_ - kDeviceSlots).stepped_ns);
  }
  upload_begin = std::min(upload_begin, uploaded);
  const std::int64_t step_begin =
      std::min(stepped, std::max({stepped_ns_, uploaded, batch.launched_ns}));

  wait(batch, std::max(stepped_ns_, batch.epoch_ns), step_begin, uploaded);
  since_.computed += seconds(stepped - step_begin);
  since_.step.add(stepped - step_begin);
  since_.upload.add(uploaded - upload_begin);
  feed_.note_step(stepped - step_begin);
  feed_.note_upload(uploaded - upload_begin);
  const std::size_t copies = feed_.consumer_track() + 1;
  feed_.timeline().track(copies).stamp(Stage::upload, batch.sequence, upload_begin, uploaded);
  feed_.timeline().track(copies + 1).stamp(Stage::compute, batch.sequence, step_begin, stepped);

  batch.stepped_ns = stepped;
  uploaded_ns_ = uploaded;
  stepped_ns_ = stepped;
  ++accounted_;
}

// The device had nothing to do from `from` to `begin`: the earliest stage that was late is why. Had
// it been on time, those after it would have been hidden.
void DeviceClock::wait(const Place& batch, std::int64_t from, std::int64_t begin,
                       std::int64_t uploaded_ns) {
  if (begin <= from) return;
  const double idle = seconds(begin - from);
  const int stage = batch.filled_ns > from                          ? 0
                    : batch.issued_ns <= from && uploaded_ns > from ? 1
                                                                    : 2;
  double* const since[] = {&since_.waited_for_generator, &since_.waited_for_upload,
                           &since_.waited_for_launch};
  *since[stage] += idle;
  if (batch.epoch_ns == epoch_ns_) waited_[static_cast<std::size_t>(stage)] += idle;
}

void DeviceClock::report(FeedReport& report) {
  report.waited_for_generator = since_.waited_for_generator;
  report.waited_for_upload = since_.waited_for_upload;
  report.waited_for_launch = since_.waited_for_launch;
  report.computed = since_.computed;
  report.step = since_.step;
  report.upload = since_.upload;
  report.device_slots = kDeviceSlots;
  since_ = {};
}

}  // namespace stoker::feed

// The times of uploads and steps on a device that works asynchronously, and of its waiting between
// steps, measured by the events that order them.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "core/timeline.h"
#include "device/device.h"
#include "feed/feed.h"
#include "feed/tuning/starvation.h"
#include "feed/tuning/throughput_model.h"
#include "feed/upload/device_time.h"

namespace stoker::feed {

// Events and times of the batches that are under way. Batches are numbered as they are issued. One
// thread uses it.
//
// A batch is accounted for when its events are about to be recorded again. By then they have
// passed, so that reading them takes two calls on CUDA and no waiting. Now and then the clock looks
// for more events that have passed, since otherwise a device that starves would be noticed a ring's
// length late. Times of the device are chained from event to event, and synchronized with the
// host's clock while the device is idle.
class DeviceClock {
 public:
  // Uploads and steps are stamped on a track each of a timeline. `in_flight` is the number of
  // batches that may be under way, one more than can be issued before the first of them has been
  // stepped. `compute` must be idle.
  DeviceClock(device::Device& device, device::Stream& copy, device::Stream& compute, Track& uploads,
              Track& steps, int in_flight);

  device::Event& uploaded(std::uint64_t batch) { return *in_flight(batch).uploaded; }
  device::Event& stepped(std::uint64_t batch) { return *in_flight(batch).stepped; }

  // Begins the epoch. Idle time of the device before it does not count as waiting.
  void begin_epoch(std::int64_t now);
  // Makes room for the batch: accounts for the oldest one under way, whose events have passed, if
  // there is none.
  void make_room(std::uint64_t batch);
  // Notes that the upload of the next batch is about to be issued.
  void issue(std::uint64_t batch, const Batch& filled);
  // Notes that the batch's step has been launched.
  void launched(std::uint64_t batch);
  // Looks for events that have passed, ten times a second. Returns whether it looked.
  bool poll(std::int64_t now);
  // Waits for the oldest batch that is under way, and accounts for it. Returns false if none is.
  bool wait_for_oldest();
  // Accounts for all batches, once both streams are idle.
  void account_for_all();

  // Returns when the device had done everything that was accounted for, or when the epoch began if
  // that is later.
  std::int64_t done_ns() const { return std::max(stepped_ns_, epoch_ns_); }
  // Returns how long the device has been waiting: once it has done everything that was launched, it
  // waits for whatever the host waits for now.
  std::int64_t idle_ns(std::int64_t now) const;
  // Returns what the device waited for before those batches of the epoch that were accounted for
  // since the last call.
  Starvation::Waits take_waits() { return std::exchange(waits_, {}); }
  // Returns the durations of all uploads and steps so far.
  const StageDurations& durations() const { return durations_; }

  // Adds to the report what was accounted for since the last forget_reported().
  void report(FeedReport& report) const;
  void forget_reported();

 private:
  struct InFlight {
    std::unique_ptr<device::Event> uploaded;
    std::unique_ptr<device::Event> stepped;
    std::uint64_t sequence = 0;
    BatchTimes times;
  };

  InFlight& in_flight(std::uint64_t batch) { return in_flight_[batch % in_flight_.size()]; }
  void synchronize_clocks(device::Device& device, device::Stream& copy);
  void account();

  Track& uploads_;
  Track& steps_;
  std::vector<InFlight> in_flight_;
  std::unique_ptr<device::Event> first_;  // stands for the upload of the batch before the first
  std::int64_t epoch_ns_ = 0;
  std::int64_t polled_ns_ = 0;
  std::int64_t uploaded_ns_ = 0;  // of the last batch accounted for
  std::int64_t stepped_ns_ = 0;
  std::array<std::int64_t, kDeviceSlots> read_ns_{};  // when each device slot was last read
  std::uint64_t accounted_ = 0;                       // batches
  std::uint64_t launched_ = 0;
  Starvation::Waits waits_{};
  StageDurations durations_;  // the generator's are left out
  FeedReport since_;
};

}  // namespace stoker::feed

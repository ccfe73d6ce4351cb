// Reads back what the device has recorded so far without a wait: the copies are enqueued behind the
// steps, and read when they have arrived.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "device/device.h"
#include "plan/scalars.h"

namespace stoker::train {

class State;

class AsyncReadback {
 public:
  explicit AsyncReadback(State& state);
  // Waits for copies that are under way, because they write to memory of this object.
  ~AsyncReadback();
  AsyncReadback(const AsyncReadback&) = delete;
  AsyncReadback& operator=(const AsyncReadback&) = delete;

  // Enqueues the copies, which take the place of earlier ones that are pending. `steps` is kept for
  // the reader.
  void request(std::int64_t steps);
  // The same, but waits for the copies.
  void read_now(std::int64_t steps);
  bool is_pending() const { return is_pending_; }
  // Returns whether the copies have arrived, after which they are not pending any more.
  bool has_arrived();

  const plan::Scalars& scalars() const;
  // The totals, followed by their corrections.
  std::span<const float> metrics() const;
  std::int64_t steps() const { return steps_; }

 private:
  State& state_;
  std::unique_ptr<device::Buffer> host_;
  std::unique_ptr<device::Event> arrived_;
  std::int64_t steps_ = 0;
  bool is_pending_ = false;
};

}  // namespace stoker::train

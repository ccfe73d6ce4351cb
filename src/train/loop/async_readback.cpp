#include "train/loop/async_readback.h"

#include "stoker/error.h"
#include "train/runtime/state.h"

namespace stoker::train {

AsyncReadback::AsyncReadback(State& state)
    : state_(state),
      host_(device::allocate_staging(state.device(), sizeof(plan::Scalars) + state.metric_bytes())),
      arrived_(state.device().make_event()) {}

AsyncReadback::~AsyncReadback() {
  if (!is_pending_) return;
  try {
    state_.stream().synchronize();
  } catch (const DeviceError&) {  // A broken device makes no more copies.
  }
}

void AsyncReadback::request(std::int64_t steps) {
  state_.copy_to_host(host_->data(), host_->data() + sizeof(plan::Scalars));
  state_.stream().record(*arrived_);
  steps_ = steps;
  is_pending_ = true;
}

void AsyncReadback::read_now(std::int64_t steps) {
  request(steps);
  arrived_->synchronize();
  is_pending_ = false;
}

bool AsyncReadback::has_arrived() {
  if (!arrived_->has_passed()) return false;
  is_pending_ = false;
  return true;
}

const plan::Scalars& AsyncReadback::scalars() const {
  return *reinterpret_cast<const plan::Scalars*>(host_->data());
}

std::span<const float> AsyncReadback::metrics() const {
  return {reinterpret_cast<const float*>(host_->data() + sizeof(plan::Scalars)),
          state_.metric_bytes() / sizeof(float)};
}

}  // namespace stoker::train

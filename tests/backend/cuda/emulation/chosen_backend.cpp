#include "backend/cuda/emulation/chosen_backend.h"

#include <utility>

#include "device/device.h"

namespace stoker {
namespace emulation {
namespace {

MakeBackend& chosen() {
  static MakeBackend& make = *new MakeBackend;
  return make;
}

}  // namespace

ChosenBackend::ChosenBackend(MakeBackend make)
    : before_(std::exchange(chosen(), std::move(make))) {}
ChosenBackend::~ChosenBackend() { chosen() = std::move(before_); }

}  // namespace emulation

// In place of src/backend/backend.cpp, whose answer it gives where nothing is chosen.
std::unique_ptr<backend::Backend> backend::make_backend(
    const std::shared_ptr<device::Device>& device, int threads) {
  if (const emulation::MakeBackend& make = emulation::chosen()) return make(device, threads);
  if (device->kind() == device::Kind::cuda) return make_cuda_backend(device);
  return make_cpu_backend(threads);
}

}  // namespace stoker

#include "support/device_under_test.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "core/align.h"

namespace stoker::test {

DeviceUnderTest& device_under_test() {
  static DeviceUnderTest chosen;
  return chosen;
}

std::shared_ptr<backend::Backend> backend_under_test(int threads) {
  const auto& device = device_under_test().device;
  if (device->reads_host_memory()) return backend::make_backend(device, threads);
  // Never destroyed: at exit the device's libraries may be gone already.
  static const auto& kept =
      *new std::shared_ptr<backend::Backend>(backend::make_backend(device, threads));
  return kept;
}

SharedMemory::SharedMemory(std::size_t bytes) : bytes_(bytes) {
  const std::size_t size = aligned(std::max<std::size_t>(bytes, 1));
  host_.reset(static_cast<std::byte*>(std::aligned_alloc(kAlignment, size)));
  std::memset(host_.get(), 0xff, size);
  const auto& device = device_under_test().device;
  if (!device->reads_host_memory()) device_ = device->allocate(bytes);
}

void SharedMemory::Free::operator()(std::byte* memory) const { std::free(memory); }

void SharedMemory::upload(device::Stream& stream) const {
  if (device_) stream.copy_to_device(device_->data(), host_.get(), bytes_);
}
void SharedMemory::download(device::Stream& stream) const {
  if (device_) stream.copy_to_host(host_.get(), device_->data(), bytes_);
}

}  // namespace stoker::test

// The device that the tests of ops and against Keras run on: the CPU, unless a main() chose another
// (tests/gpu/).
#pragma once

#include <cstddef>
#include <memory>

#include "backend/backend.h"
#include "device/device.h"

namespace stoker::test {

struct DeviceUnderTest {
  std::shared_ptr<device::Device> device = device::make_cpu_device();
  // How far the device may round the operands of products, relatively: 2^-11 with TF32.
  double operand_rounding = 0.0;
};
DeviceUnderTest& device_under_test();

// Its backend: a new one each time on the CPU. One that keeps plans of libraries is made once.
std::shared_ptr<backend::Backend> backend_under_test(int threads);

// Memory that a test sees as the host's and a program as the device's. Where the device reads the
// host's memory both are the same, and copies do nothing. Every bit is set at first: NaN as
// float32.
class SharedMemory {
 public:
  explicit SharedMemory(std::size_t bytes);

  std::size_t bytes() const { return bytes_; }
  std::byte* host() const { return host_.get(); }
  std::byte* device() const { return device_ ? device_->data() : host_.get(); }
  // Enqueued: memory and stream must live until the stream was synchronised.
  void upload(device::Stream& stream) const;
  void download(device::Stream& stream) const;

 private:
  struct Free {
    void operator()(std::byte* memory) const;
  };
  std::size_t bytes_;
  std::unique_ptr<std::byte[], Free> host_;
  std::unique_ptr<device::Buffer> device_;  // null where the device reads the host's memory
};

}  // namespace stoker::test

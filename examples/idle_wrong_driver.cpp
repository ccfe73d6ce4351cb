// Why is my device idle? 5: because it is not used at all. A driver that is missing or too old, or
// a cuDNN of another version, and the training runs on the CPU. See docs/why-idle.md.
#include <stoker/stoker.h>

using namespace stoker;

int main() {
  const Device device = Device::best();
  std::cout << "training on: " << device.name() << '\n';
  const std::string reason = Device::why_not_cuda();
  if (!reason.empty()) std::cout << "not on a GPU: " << reason << '\n';

  // A program that insists on the GPU gets an error instead of a slow training.
  try {
    const Sequential model({Input({4}), Dense(1)}, {.device = Device::cuda(0)});
    std::cout << "cuda:0 can be used\n";
  } catch (const DeviceError& error) {
    std::cout << "Device::cuda(0): " << error.what() << '\n';
  }
}

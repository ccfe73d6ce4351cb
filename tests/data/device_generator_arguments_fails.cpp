// expect: device_generator<T...>.shapes, f. takes f.BatchContext&, DeviceQueue
#include <span>

#include "stoker/device_source.h"

int main() {
  using namespace stoker;
  device_generator<float>({.x = {4, 2}}, [](BatchContext&, std::span<float>) {});
}

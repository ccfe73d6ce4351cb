// expect: map takes f.*std::span<const In>
#include "stoker/dataset.h"

int main() {
  using namespace stoker;
  // An image of floats is asked for, one of ints would be written.
  auto floats = range(3).map<float>({Shape{1}},
                                    [](std::span<const std::int32_t>, std::span<std::int32_t>) {});
  floats.for_each([](std::span<const float>) {});
}

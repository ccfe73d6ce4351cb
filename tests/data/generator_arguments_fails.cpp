// expect: generator<T...>.shapes, f. takes f.BatchContext&, std::span<T>...
#include <cstdint>
#include <span>

#include "stoker/generator.h"

int main() {
  using namespace stoker;
  generator<float, std::int32_t>(
      {.x = {4, 2}, .y = {4}},
      [](BatchContext&, std::span<double>, std::span<std::int32_t>) { return 4; });
}

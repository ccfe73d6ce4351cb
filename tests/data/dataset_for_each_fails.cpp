// expect: for_each takes f.std::span<const T>
#include <cstdint>
#include <span>

#include "stoker/dataset.h"

int main() {
  stoker::range(3).for_each([](std::span<std::int32_t>) {});
}

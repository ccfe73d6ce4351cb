// expect: What start.epoch. returns to from_generator is bool next.std::span<T>
#include <cstdint>
#include <span>

#include "stoker/dataset.h"

int main() {
  stoker::Dataset<float>::from_generator(
      {stoker::Shape{2}}, [](std::int64_t) { return [](std::span<double>) { return false; }; });
}

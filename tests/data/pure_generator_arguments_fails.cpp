// expect: generator<T...>.shapes, f. takes f.BatchContext&, std::span<T>...
#include <span>

#include "stoker/generator.h"

int main() {
  using namespace stoker;
  generator<float>({.x = {4, 2}}, pure([](std::span<float>) {}));
}

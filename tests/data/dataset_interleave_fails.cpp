// expect: interleave takes f.std::span<const T>...., which returns a Dataset
#include "stoker/dataset.h"

int main() {
  stoker::range(3).interleave([](int number) { return stoker::range(number); });
}

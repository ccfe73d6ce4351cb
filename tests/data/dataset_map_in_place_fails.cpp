// expect: map takes, to change elements in place, f..MapContext&,. std::span<T>
#include <span>

#include "stoker/dataset.h"

int main() {
  stoker::range(3).map([](std::span<double>) {});
}

// expect: filter takes bool f
#include "stoker/dataset.h"

int main() {
  auto even = stoker::range(4).filter([](float x) { return x > 1; });
}

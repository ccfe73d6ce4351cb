// expect: A generator returns nothing .an endless source. or how many rows it filled
#include <span>

#include "stoker/generator.h"

int main() {
  stoker::generator<float>({.x = {4, 2}},
                           [](stoker::BatchContext&, std::span<float>) { return true; });
}

// expect: The function of interleave returns a Dataset
#include <cstdint>
#include <span>

#include "stoker/dataset.h"

int main() {
  stoker::range(3).interleave([](std::span<const std::int32_t>) { return 3; });
}

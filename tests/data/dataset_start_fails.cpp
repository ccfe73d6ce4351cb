// expect: from_generator.shapes, start. takes start.std::int64_t epoch
#include <span>

#include "stoker/dataset.h"

int main() {
  stoker::Dataset<float>::from_generator({stoker::Shape{2}},
                                         [](std::span<float>) { return false; });
}

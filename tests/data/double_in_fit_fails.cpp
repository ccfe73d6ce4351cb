// expect: Wrap the source to convert it on the way into the slot: cast<float>.source.
#include <cstdint>
#include <span>

#include "stoker/generator.h"

namespace {

void fit_generator(const stoker::SourceHandle& source) { (void)source; }

}  // namespace

int main() {
  using namespace stoker;
  auto doubles = generator<double, std::int32_t>(
      {.x = {32, 784}, .y = {32}},
      [](BatchContext&, std::span<double>, std::span<std::int32_t>) {});
  fit_generator(doubles);
}

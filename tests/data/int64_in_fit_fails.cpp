// expect: Wrap the source to convert it on the way into the slot: cast<float>.source.
#include <cstdint>
#include <span>

#include "stoker/generator.h"

namespace {

void fit_generator(const stoker::SourceHandle& source) { (void)source; }

}  // namespace

int main() {
  using namespace stoker;
  auto long_labels = generator<float, std::int64_t>(
      {.x = {32, 784}, .y = {32}}, [](BatchContext&, std::span<float>, std::span<std::int64_t>) {});
  fit_generator(long_labels);
}

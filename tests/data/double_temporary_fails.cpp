// expect: Wrap the source to convert it on the way into the slot: cast<float>.source.
#include <cstdint>
#include <memory>
#include <span>

#include "stoker/generator.h"

namespace {

class Doubles : public stoker::BatchGenerator<double> {
 public:
  Doubles() : BatchGenerator({.x = {4, 2}}) {}
  std::int64_t fill(stoker::BatchContext&, std::span<double>) override { return 4; }
};

void fit(const stoker::SourceHandle& source) { (void)source; }

}  // namespace

int main() { fit(Doubles()); }

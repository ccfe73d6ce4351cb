// expect: A generator is changed by fill.., so that it cannot be const
#include <cstdint>
#include <span>

#include "stoker/generator.h"

namespace {

class Faces : public stoker::BatchGenerator<float> {
 public:
  Faces() : BatchGenerator({.x = {4, 2}}) {}
  std::int64_t fill(stoker::BatchContext&, std::span<float>) override { return 4; }
};

void fit(const stoker::SourceHandle& source) { (void)source; }

}  // namespace

int main() {
  const Faces faces;
  fit(faces);
}

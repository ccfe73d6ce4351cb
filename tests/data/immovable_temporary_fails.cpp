// expect: A temporary generator is moved into its handle, and this class cannot be moved
#include <cstdint>
#include <mutex>
#include <span>

#include "stoker/generator.h"

namespace {

class Faces : public stoker::BatchGenerator<float> {
 public:
  Faces() : BatchGenerator({.x = {4, 2}}) {}
  std::int64_t fill(stoker::BatchContext&, std::span<float>) override { return 4; }

 private:
  std::mutex mutex_;
};

void fit(const stoker::SourceHandle& source) { (void)source; }

}  // namespace

int main() { fit(Faces()); }

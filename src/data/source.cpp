#include "stoker/source.h"

#include "core/format.h"
#include "stoker/error.h"

namespace stoker {
namespace {

void require_below(const char* kind, std::size_t count, std::size_t i) {
  if (i < count) return;
  throw ValueError(format("BatchSpec: expected the number of a ", kind, " below ", count,
                          ", which is how many a batch has, received ", i));
}

}  // namespace

const Field& BatchSpec::field(std::size_t i) const {
  if (i < inputs.size()) return inputs[i];
  const std::size_t target = i - inputs.size();
  if (target < targets.size()) return targets[target];
  const std::size_t weight = target - targets.size();
  if (weight < sample_weights.size()) return sample_weights[weight];
  throw ValueError(
      format("BatchSpec: expected a field below ", field_count(), ", received field ", i));
}

std::size_t BatchSpec::target_field(std::size_t i) const {
  require_below("target", targets.size(), i);
  return inputs.size() + i;
}

std::size_t BatchSpec::sample_weight_field(std::size_t i) const {
  require_below("sample weight", sample_weights.size(), i);
  return inputs.size() + targets.size() + i;
}

}  // namespace stoker

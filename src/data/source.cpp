#include "stoker/source.h"

#include "core/format.h"
#include "stoker/error.h"

namespace stoker {

const Field& BatchSpec::field(std::size_t i) const {
  if (i < inputs.size()) return inputs[i];
  const std::size_t target = i - inputs.size();
  if (target < targets.size()) return targets[target];
  if (sample_weight && target == targets.size()) return *sample_weight;
  throw ValueError(
      format("BatchSpec: expected a field below ", field_count(), ", received field ", i));
}

}  // namespace stoker

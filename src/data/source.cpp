#include "stoker/source.h"

#include "core/format.h"
#include "stoker/error.h"

namespace stoker {
namespace {

void require_below(const char* kind, std::size_t count, std::size_t i) {
  if (i < count) return;
  throw ValueError(format("source: expected a number below ", count, ", which is how many ", kind,
                          "s a batch has, received ", kind, " ", i));
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

std::size_t BatchSpec::input_field(std::size_t i) const {
  require_below("input", inputs.size(), i);
  return i;
}

std::size_t BatchSpec::target_field(std::size_t i) const {
  require_below("target", targets.size(), i);
  return inputs.size() + i;
}

std::size_t BatchSpec::sample_weight_field(std::size_t i) const {
  require_below("sample weight", sample_weights.size(), i);
  return inputs.size() + targets.size() + i;
}

void Slot::require_type(const Field& field, DType type) {
  if (field.dtype == type) return;
  throw DTypeError(format("source: expected elements of ", field.dtype, " for ", field.name,
                          ", as its specification says, received a request for ", type));
}

void detail::throw_short_state(std::size_t expected, std::size_t received) {
  throw DataError(format("source: expected a state with ", expected,
                         " more bytes, received one that ends after ", received,
                         ". It is that of another source"));
}

}  // namespace stoker

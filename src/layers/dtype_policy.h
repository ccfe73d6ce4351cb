// Keras's dtype policies set the type in which a layer computes and keeps its activations, and the
// type that its weights have.
#pragma once

#include <string>

#include "stoker/dtype.h"

namespace stoker::layers {

struct DTypePolicy {
  DType compute = DType::float32;
  // Weights and the optimizer's slots lie in memory as float32 under each policy. Where their type
  // is one of 16 bits, their values are rounded to it whenever they change.
  DType variable = DType::float32;
  friend bool operator==(const DTypePolicy&, const DTypePolicy&) = default;
};

// Returns the policy of that name. Throws ValueError, naming `owner` and the policies, for another
// name.
DTypePolicy policy_of(const std::string& name, const std::string& owner);
// Returns Keras's name: "float32", "mixed_bfloat16", "mixed_float16", "bfloat16" or "float16".
std::string name_of(const DTypePolicy& policy);

}  // namespace stoker::layers

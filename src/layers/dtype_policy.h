// Keras's dtype policies: the type in which a layer computes and keeps its activations. Weights and
// what updates them are float32 under each.
#pragma once

#include <string>

#include "stoker/dtype.h"

namespace stoker::layers {

// "float32", "mixed_bfloat16" or "mixed_float16" -> float32, bfloat16, float16. Throws ValueError,
// naming `owner` and the policies, for another name.
DType compute_dtype_of(const std::string& policy, const std::string& owner);

}  // namespace stoker::layers

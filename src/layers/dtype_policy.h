// Keras's dtype policies set the type in which a layer computes and keeps its activations. Weights
// and their updates are float32 under each policy.
#pragma once

#include <string>

#include "stoker/dtype.h"

namespace stoker::layers {

// Maps "float32", "mixed_bfloat16" and "mixed_float16" to float32, bfloat16 and float16. Throws
// ValueError, naming `owner` and the policies, for another name.
DType compute_dtype_of(const std::string& policy, const std::string& owner);

}  // namespace stoker::layers

#include "layers/dtype_policy.h"

#include "core/format.h"
#include "stoker/error.h"

namespace stoker::layers {

DType compute_dtype_of(const std::string& policy, const std::string& owner) {
  if (policy == "float32") return DType::float32;
  if (policy == "mixed_bfloat16") return DType::bfloat16;
  if (policy == "mixed_float16") return DType::float16;
  const bool is_pure = policy == "bfloat16" || policy == "float16";
  throw ValueError(format(owner, ": there is no dtype policy \"", policy,
                          "\"; known are float32, mixed_bfloat16, mixed_float16",
                          is_pure ? ", and in each of them weights are float32" : ""));
}

}  // namespace stoker::layers

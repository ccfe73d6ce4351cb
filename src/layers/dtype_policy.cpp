#include "layers/dtype_policy.h"

#include "core/format.h"
#include "stoker/error.h"

namespace stoker::layers {

DTypePolicy policy_of(const std::string& name, const std::string& owner) {
  if (name == "float32") return {};
  if (name == "mixed_bfloat16") return {.compute = DType::bfloat16};
  if (name == "mixed_float16") return {.compute = DType::float16};
  if (name == "bfloat16") return {DType::bfloat16, DType::bfloat16};
  if (name == "float16") return {DType::float16, DType::float16};
  throw ValueError(
      format(owner, ": there is no dtype policy \"", name,
             "\"; known are float32, mixed_bfloat16, mixed_float16, bfloat16, float16"));
}

std::string name_of(const DTypePolicy& policy) {
  return format(policy.compute == policy.variable ? "" : "mixed_", policy.compute);
}

}  // namespace stoker::layers

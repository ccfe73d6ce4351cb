#include "ops/ops.h"

#include "ops/common.h"

namespace stoker::ops {

std::span<const Op* const> all_ops() {
  static constexpr const Op* kOps[] = {
#define STOKER_OP(name) &name##_op,
#include "ops/ops.def"
#undef STOKER_OP
  };
  return kOps;
}

const Op& op(OpIndex index) { return *all_ops()[static_cast<std::size_t>(index)]; }

}  // namespace stoker::ops

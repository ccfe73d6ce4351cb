// The CUDA backend's table of ops.
#include "backend/cuda/ops/cuda_op.h"

#include <gtest/gtest.h>

namespace stoker {
namespace {

TEST(CudaOps, have_kernels_of_their_own_or_generated_ones_and_not_both) {
  for (const graph::Op* op : ops::all_ops()) {
    const graph::Node node{op, {}, {}, nullptr, {}};
    const backend::cuda::CudaOp& entry = backend::cuda::cuda_op(node);
    EXPECT_NE(entry.lower != nullptr, entry.generate != nullptr) << op->name;
    // What cuDNN refuses needs a kernel of ours.
    EXPECT_TRUE(entry.spec == nullptr || entry.lower != nullptr) << op->name;
    // Only they are grouped into launches, and only they may hold an expression.
    EXPECT_EQ(entry.generate != nullptr, op->traits.carries_expression) << op->name;
  }
}

}  // namespace
}  // namespace stoker

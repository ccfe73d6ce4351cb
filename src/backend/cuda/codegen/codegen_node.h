// One node of a generated launch as a struct of CUDA C++, which the loops of
// kernels/pointwise_loops.cuh and kernels/reduce_loops.cuh take.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "backend/cuda/codegen/codegen.h"
#include "backend/cuda/plan/launch_plan.h"
#include "graph/graph.h"

namespace stoker::backend::cuda {

// This stands in a source for the kernel's name until that is known.
inline constexpr char kNamePlace[] = "@";

// The pointers that a kernel is given, each once.
class Parameters {
 public:
  // Returns the text of the member that holds `operand`.
  std::string pointer(const Operand& operand);
  // These return the struct's definition, and its bytes with the pointers to be filled in.
  std::string text() const;
  Arguments arguments() const;

 private:
  std::vector<Operand> operands_;
};

struct GeneratedNode {
  std::string text;           // the struct @_<number>, with its tables before it
  std::string loop;           // the function that loops over the node's work
  unsigned blocks = 0;        // 0: there is nothing to compute, and no text
  bool takes_blocks = false;  // whether the function takes the number of blocks
  bool has_barriers = false;
  bool takes_shared = false;  // whether the function takes the block's shared memory
};

}  // namespace stoker::backend::cuda

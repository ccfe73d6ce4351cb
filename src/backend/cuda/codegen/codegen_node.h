// One node of a generated launch as a struct of CUDA C++: what the loops of
// kernels/pointwise_loops.cuh and kernels/reduce_loops.cuh are given.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "backend/cuda/codegen/codegen.h"
#include "backend/cuda/plan/launch_plan.h"
#include "graph/graph.h"

namespace stoker::backend::cuda {

// Stands in a source for the kernel's name until that is known.
inline constexpr char kNamePlace[] = "@";

// The pointers that a kernel is given, each once.
class Parameters {
 public:
  // The text of the member that holds `operand`.
  std::string pointer(const Operand& operand);
  // The struct's definition, and its bytes.
  std::string text() const;
  Arguments arguments() const;

 private:
  std::vector<Operand> operands_;
};

struct GeneratedNode {
  std::string text;           // struct @_<number>, with tables before it
  std::string loop;           // the function for it
  unsigned blocks = 0;        // 0: there is nothing to compute, and no text
  bool takes_blocks = false;  // whether the function is told how many blocks there are
  bool has_barriers = false;
  bool takes_shared = false;  // and the function gets the block's shared memory
};

}  // namespace stoker::backend::cuda

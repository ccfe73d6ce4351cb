// Parameters of ops slice and slice_backward; reshape copies with slice where it has to.
#pragma once

#include <cstddef>
#include <cstdint>

#include "backend/cuda/kernels/kernel.h"

namespace stoker::graph {
struct Node;
}

namespace stoker::backend::cuda {

// The kernels copy between x [outer, from, inner] and y [outer, extent, inner]; elements have 1, 2
// or 4 bytes.
struct slice_params {
  const void* x = {};
  void* y = {};
  std::int64_t outer = {}, from = {}, inner = {}, begin = {}, extent = {};
  std::int32_t element_bytes = {};
};
struct slice_backward_params {
  const void* dy = {};
  void* dx = {};
  std::int64_t outer = {}, from = {}, inner = {}, begin = {}, extent = {};
  std::int32_t element_bytes = {};
};

Grid grid_of(const slice_params& params);
const Kernel& kernel_of(const slice_params& params);
Grid grid_of(const slice_backward_params& params);
const Kernel& kernel_of(const slice_backward_params& params);

class Lowering;
// Appends the launch of a slice from the node's first input to its first output.
void copy_slice(Lowering& lowering, const graph::Node& node, const slice_params& params);

}  // namespace stoker::backend::cuda

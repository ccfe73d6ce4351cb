// Op matmul, which cuDNN computes, or our own kernel where cuDNN refuses.
#include "backend/cuda/ops/matmul.h"

#include <algorithm>

#include "backend/cuda/kernels/grids.h"
#include "backend/cuda/kernels/tiling.h"
#include "backend/cuda/ops/cuda_op.h"
#include "backend/cuda/plan/lowering.h"
#include "ops/tail.h"

namespace stoker::backend::cuda {
namespace {

using graph::Node;
using graph::ValueId;

// Puts the extents of a batch before those of a matrix.
void add_batch(DnnTensor& tensor, const Shape& batch, const Shape& steps) {
  const std::int64_t matrix = tensor.dims[1] * tensor.dims[2];
  std::vector<std::int64_t> dims, strides;
  for (std::size_t axis = 0; axis < batch.rank(); ++axis) {
    dims.push_back(steps[axis] == 0 ? 1 : batch[axis]);
    strides.push_back(matrix * std::max<std::int64_t>(1, steps[axis]));
  }
  tensor.dims.erase(tensor.dims.begin());
  tensor.strides.erase(tensor.strides.begin());
  tensor.dims.insert(tensor.dims.begin(), dims.begin(), dims.end());
  tensor.strides.insert(tensor.strides.begin(), strides.begin(), strides.end());
}

Shape matrix_of(const Shape& shape) { return {shape[shape.rank() - 2], shape.back()}; }

DnnSpec spec_of_matmul(const graph::Graph& graph, const Node& node, const DnnTypes& types) {
  const auto shape = [&](ValueId value) -> const Shape& { return graph.info(value).type.shape; };
  DnnSpec spec = matmul_spec(matrix_of(shape(node.inputs[0])), matrix_of(shape(node.inputs[1])),
                             ops::attributes_of<ops::MatMulAttributes>(node), types);
  const ops::ProductSizes sizes = ops::product_sizes(graph, node);
  if (sizes.batch.rank() == 0) return spec;
  Shape steps = sizes.batch;
  std::int64_t step = 1;
  for (std::size_t axis = steps.rank(); axis-- > 0; step *= sizes.batch[axis]) steps[axis] = step;
  add_batch(spec.a, sizes.batch, sizes.steps_a);
  add_batch(spec.b, sizes.batch, sizes.steps_b);
  add_batch(spec.y, sizes.batch, steps);
  if (spec.aux) add_batch(*spec.aux, sizes.batch, steps);
  if (spec.bias) {
    const std::size_t rank = sizes.batch.rank();
    spec.bias->dims.insert(spec.bias->dims.begin(), rank - 1, 1);
    spec.bias->strides.insert(spec.bias->strides.begin(), rank - 1, spec.bias->strides[0]);
  }
  return spec;
}

void lower_matmul(Lowering& lowering, const Node& node) {
  const auto& attributes = ops::attributes_of<ops::MatMulAttributes>(node);
  const ops::GatedSum tail = ops::gated_sum_of(attributes.tail);
  const ops::ProductSizes sizes = ops::product_sizes(lowering.graph(), node);
  matmul_params params{.m = int32(sizes.m),
                       .n = int32(sizes.n),
                       .k = int32(sizes.k),
                       .transpose_a = attributes.transpose_a,
                       .transpose_b = attributes.transpose_b,
                       .relu = tail.relu,
                       .batch_rank = int32(static_cast<std::int64_t>(sizes.batch.rank())),
                       .products = sizes.products()};
  for (std::size_t axis = 0; axis < sizes.batch.rank(); ++axis) {
    params.batch[axis] = sizes.batch[axis];
    params.steps_a[axis] = sizes.steps_a[axis];
    params.steps_b[axis] = sizes.steps_b[axis];
  }
  Pack<matmul_params> pack(params);
  pack.point(&matmul_params::a, Operand::of(node.inputs[0]))
      .point(&matmul_params::b, Operand::of(node.inputs[1]))
      .point(&matmul_params::y, Operand::of(node.outputs[0]));
  if (tail.addend >= 0) pack.point(&matmul_params::bias, Operand::of(node.inputs[2]));
  lowering.launch(params, pack);
}

bool takes_tail(const graph::Graph& graph, const Node& node, const Accepts& accepts) {
  return ops::has_relu_gradient(graph, node) ? takes_relu_gradient(graph, node, accepts)
                                             : takes_bias_and_relu(graph, node, accepts);
}

}  // namespace

STOKER_CUDA_KERNEL(matmul, Threads::meet, Loads::single)
Grid grid_of(const matmul_params& p) {
  return blocks_of(p.products * divide_up(p.m, kTile) * divide_up(p.n, kTile));
}

const CudaOp matmul_on_cuda =
    by_cudnn(&spec_of_matmul, &lower_matmul, Elements::float32_only, &takes_tail);

}  // namespace stoker::backend::cuda

// The launches of matrix products and convolutions that cuDNN computes.
#include <string>
#include <utility>

#include "backend/cuda/ops/cuda_op.h"
#include "backend/cuda/plan/lowering.h"
#include "backend/cuda/runtime/cudnn_plan.h"
#include "ops/tail.h"

namespace stoker::backend::cuda {

using graph::Graph;
using graph::Node;

bool lower_by_cudnn(Lowering& lowering, const Node& node) {
  // cuDNN does not compute a bias gradient beside the kernel's; graphs that are optimized do not
  // ask for it.
  if (node.outputs.size() > 1) return false;
  const auto product =
      accepted_product(spec_of(lowering.graph(), node, lowering.options().tf32), lowering.dnn());
  if (!product) return false;
  const DnnSpec& spec = product->spec;
  const auto workspace = lowering.dnn().workspace_of(spec);
  // For the gradient of a kernel, cuDNN takes dy first and our op the image.
  const bool weights = spec.kind == DnnKind::conv_backward_weights;
  const bool swapped = weights != product->swapped;
  DnnLaunch launch;
  launch.spec = spec;
  launch.a = Operand::of(node.inputs[swapped ? 1 : 0]);
  launch.b = Operand::of(node.inputs[swapped ? 0 : 1]);
  if (spec.bias) launch.bias = Operand::of(node.inputs[2]);
  if (spec.aux) launch.aux = Operand::of(node.inputs.back());
  launch.y = Operand::of(node.outputs[0]);
  if (*workspace > 0) {
    launch.workspace =
        Operand::workspace(lowering.id(), lowering.take_workspace(lowering.id(), *workspace));
  }
  lowering.append(std::move(launch), std::string("cudnn ") + node.op->name);
  return true;
}

DnnSpec spec_of(const Graph& graph, const Node& node, bool tf32) {
  const DType result = graph.info(node.outputs[0]).type.dtype;
  return cuda_op(node).spec(graph, node,
                            {.operands = graph.info(node.inputs[0]).type.dtype,
                             .bias = result,
                             .result = result,
                             .tf32 = tf32});
}

bool takes_bias_and_relu(const Graph& graph, const Node& node, const Accepts& accepts) {
  if (!ops::has_bias_and_relu(graph, node)) return false;
  // If cuDNN takes the product only without the tail, it computes the product, since that is worth
  // more than a tail without a launch of its own. If it refuses both, our kernel computes the
  // product with the tail.
  return accepts(spec_of(graph, node)) || !accepts(spec_of(graph, ops::without_tail(node)));
}

bool takes_relu_gradient(const Graph& graph, const Node& node, const Accepts& accepts) {
  return ops::has_relu_gradient(graph, node) && accepts(spec_of(graph, node));
}

std::optional<DnnProduct> accepted_product(const DnnSpec& spec, DnnCompiler& dnn) {
  if (dnn.workspace_of(spec)) return DnnProduct{spec, false};
  if (spec.kind != DnnKind::matmul) return std::nullopt;
  auto convolution = as_convolution(spec);
  if (convolution && dnn.workspace_of(convolution->spec)) return convolution;
  return std::nullopt;
}

}  // namespace stoker::backend::cuda

// The CUDA backend's description of an op. It stands in the op's file beside the lowering; a table
// of all of them is made of ops.def, and one that is missing is a link error.
#pragma once

#include <cstddef>
#include <cstdint>

#include "backend/cuda/codegen/codegen_node.h"
#include "backend/cuda/plan/dnn_specs.h"
#include "graph/graph.h"
#include "ops/ops.h"

namespace stoker::backend::cuda {

class Lowering;

// The element types that an op's kernels load and store. plan::widen puts conversions around nodes
// of 16-bit values whose op takes float32 alone.
enum class Elements : std::uint8_t { float32_only, any_type };

struct CudaOp {
  // Appends the launches that compute the node.
  using Lower = void (*)(Lowering& lowering, const graph::Node& node);
  // Generates the node as a part of a kernel that may do the work of several nodes.
  using Generate = GeneratedNode (*)(const graph::Graph& graph, graph::NodeId id,
                                     std::size_t number, Parameters& parameters,
                                     Resources& resources);
  // Returns what cuDNN is asked for.
  using Spec = DnnSpec (*)(const graph::Graph& graph, const graph::Node& node,
                           const DnnTypes& types);

  // Returns whether the op's kernel computes the node together with its tail or head (ops/tail.h).
  using TakesTail = bool (*)(const graph::Graph& graph, const graph::Node& node,
                             const Accepts& accepts);

  Lower lower = nullptr;        // null if `generate` is set
  Generate generate = nullptr;  // set for an op whose kernels are made from expressions
  Spec spec = nullptr;  // set for an op that cuDNN computes; `lower` does what cuDNN refuses
  Elements elements;    // the types that `lower` and `generate` take; cuDNN is asked
  // Null if the op takes no tail; plan/ then leaves that arithmetic to pointwise nodes.
  TakesTail takes_tail = nullptr;
};

// Each of these makes the description of an op. Arguments without a safe default have none, so that
// whoever adds an op decides.
constexpr CudaOp with_kernels(CudaOp::Lower lower, Elements elements,
                              CudaOp::TakesTail takes_tail = nullptr) {
  return {.lower = lower,
          .generate = nullptr,
          .spec = nullptr,
          .elements = elements,
          .takes_tail = takes_tail};
}
constexpr CudaOp from_expressions(CudaOp::Generate generate, Elements elements) {
  return {.lower = nullptr, .generate = generate, .spec = nullptr, .elements = elements};
}
constexpr CudaOp by_cudnn(CudaOp::Spec spec, CudaOp::Lower where_refused, Elements elements,
                          CudaOp::TakesTail takes_tail = nullptr) {
  return {.lower = where_refused,
          .generate = nullptr,
          .spec = spec,
          .elements = elements,
          .takes_tail = takes_tail};
}

// Values of CudaOp::takes_tail for products that cuDNN computes.
bool takes_bias_and_relu(const graph::Graph& graph, const graph::Node& node,
                         const Accepts& accepts);
bool takes_relu_gradient(const graph::Graph& graph, const graph::Node& node,
                         const Accepts& accepts);

#define STOKER_OP(name) extern const CudaOp name##_on_cuda;
#include "ops/ops.def"
#undef STOKER_OP

const CudaOp& cuda_op(const graph::Node& node);

}  // namespace stoker::backend::cuda

// What the CUDA backend knows of an op. It stands in the op's file beside the lowering; ops.def
// makes a table of all of them, where one that is missing is a link error.
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
  // The node as a part of a generated kernel, which may do the work of several nodes.
  using Generate = GeneratedNode (*)(const graph::Graph& graph, graph::NodeId id,
                                     std::size_t number, Parameters& parameters,
                                     Resources& resources);
  // What cuDNN is asked for.
  using Spec = DnnSpec (*)(const graph::Graph& graph, const graph::Node& node,
                           const DnnTypes& types);

  // Whether the node is computed with the tail, or head, that it has (ops/tail.h).
  using TakesTail = bool (*)(const graph::Graph& graph, const graph::Node& node,
                             const Accepts& accepts);

  Lower lower = nullptr;        // null where `generate` is not
  Generate generate = nullptr;  // an op whose kernels are made from expressions
  Spec spec = nullptr;          // an op that cuDNN computes, and `lower` where cuDNN refuses
  Elements elements;            // of `lower` and `generate`; cuDNN is asked
  TakesTail takes_tail =
      nullptr;  // null: none, and plan/ leaves that arithmetic to pointwise nodes
};

// One of these describes an op. What has no safe default has none: whoever adds an op decides.
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

// CudaOp::takes_tail of products that cuDNN computes.
bool takes_bias_and_relu(const graph::Graph& graph, const graph::Node& node,
                         const Accepts& accepts);
bool takes_relu_gradient(const graph::Graph& graph, const graph::Node& node,
                         const Accepts& accepts);

#define STOKER_OP(name) extern const CudaOp name##_on_cuda;
#include "ops/ops.def"
#undef STOKER_OP

const CudaOp& cuda_op(const graph::Node& node);

}  // namespace stoker::backend::cuda

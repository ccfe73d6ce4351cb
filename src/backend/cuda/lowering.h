// How a graph becomes a list of launches: the state that the files lower*.cpp share.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <variant>

#include "backend/cuda/codegen.h"
#include "backend/cuda/kernels/grids.h"
#include "backend/cuda/kernels/params.h"
#include "backend/cuda/launch_plan.h"
#include "backend/cuda/lower.h"
#include "graph/graph.h"
#include "ops/ops.h"

namespace stoker::backend::cuda {

// Whether the node's op is that one.
inline bool is(const graph::Node& node, ops::OpIndex index) {
  return node.op->index == static_cast<int>(index);
}
inline std::int32_t int32(std::int64_t value) { return static_cast<std::int32_t>(value); }

inline Element element_of(DType dtype) {
  switch (dtype) {
    case DType::bfloat16:
      return Element::bfloat16;
    case DType::float16:
      return Element::float16;
    default:
      return Element::float32;
  }
}

// An array seen as rows of its last axis.
struct Rows {
  explicit Rows(const Shape& shape)
      : columns(shape.rank() == 0 ? 1 : shape.back()),
        count(columns == 0 ? 0 : shape.elements() / columns) {}
  std::int64_t columns;
  std::int64_t count;
};

class Lowering final : public Resources {
 public:
  using Node = graph::Node;
  using NodeId = graph::NodeId;
  using ValueId = graph::ValueId;

  Lowering(const graph::Graph& graph, std::span<const NodeId> last_of_group, DnnCompiler& dnn,
           const LowerOptions& options)
      : graph_(graph), last_of_group_(last_of_group), dnn_(dnn), options_(options) {
    plan_.workspace_bytes.assign(graph.nodes().size(), 0);
  }

  LaunchPlan lower();

  // Resources
  std::int64_t take_counters(int count) override;
  std::int64_t take_workspace(NodeId node, std::size_t bytes) override;

 private:
  // The frame: lower.cpp.
  void ingest();
  void lower_group();
  void lower_node(const Node& node);
  void lower_advance(const Node& node);

  // lower_products.cpp
  void lower_product(const Node& node);
  void lower_refused(const Node& node);
  void lower_own_matmul(const Node& node);
  void lower_own_convolution(const Node& node);

  // lower_images.cpp
  void lower_pool(const Node& node);
  Operand partials(std::int64_t rows, std::int32_t channels);
  void lower_batch_norm(const Node& node);
  void lower_batch_norm_backward(const Node& node);

  // lower_rows.cpp
  void lower_reshape(const Node& node);
  void copy_slice(const Node& node, const slice_params& params);
  void lower_slice(const Node& node);
  void lower_slice_backward(const Node& node);
  void lower_concatenate(const Node& node);
  void lower_embedding(const Node& node);
  void lower_embedding_backward(const Node& node);
  void lower_softmax(const Node& node);
  void lower_sparsemax(const Node& node);
  Labels labels_of(ValueId labels) const;
  void lower_cross_entropy(const Node& node);
  void lower_one_hot(const Node& node);
  void lower_argmax(const Node& node);

  const Shape& shape(ValueId value) const { return graph_.info(value).type.shape; }
  DType dtype(ValueId value) const { return graph_.info(value).type.dtype; }
  std::int32_t bytes_of_element(ValueId value) const {
    return int32(static_cast<std::int64_t>(size_of(dtype(value))));
  }
  // How class numbers are given.
  Labels classes_of(ValueId numbers) const {
    return dtype(numbers) == DType::int32 ? Labels::int32_classes : Labels::float_classes;
  }

  void append(std::variant<KernelLaunch, GeneratedLaunch, DnnLaunch, ZeroLaunch> what,
              std::string name, NodeId first, NodeId last);
  template <class Params>
  void launch(KernelId kernel, const Params& params, const Pack<Params>& pack) {
    append(KernelLaunch{kernel, grid_of(params), pack.arguments()}, name_of(kernel), id_, id_);
  }

  const graph::Graph& graph_;
  std::span<const NodeId> last_of_group_;
  DnnCompiler& dnn_;
  const LowerOptions options_;
  LaunchPlan plan_;
  NodeId id_ = 0;  // of the node that is being lowered
};

}  // namespace stoker::backend::cuda

// The state of turning a graph into a list of launches, which lower.cpp and the files of ops/
// share.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <variant>

#include "backend/cuda/codegen/codegen.h"
#include "backend/cuda/kernels/kernel.h"
#include "backend/cuda/plan/launch_plan.h"
#include "backend/cuda/plan/lower.h"
#include "graph/graph.h"
#include "ops/ops.h"

namespace stoker::backend::cuda {

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

// An array as rows of its last axis.
struct Rows {
  explicit Rows(const Shape& shape)
      : columns(shape.rank() == 0 ? 1 : shape.back()),
        count(columns == 0 ? 0 : shape.elements() / columns) {}
  std::int64_t columns;
  std::int64_t count;
};

// Returns the products of the extents before and after an axis.
inline std::pair<std::int64_t, std::int64_t> around(const Shape& shape, std::int64_t axis) {
  std::int64_t outer = 1;
  std::int64_t inner = 1;
  for (std::size_t d = 0; d < shape.rank(); ++d) {
    if (static_cast<std::int64_t>(d) < axis) outer *= shape[d];
    if (static_cast<std::int64_t>(d) > axis) inner *= shape[d];
  }
  return {outer, inner};
}

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

  // The functions below serve the lowering of one node.
  const graph::Graph& graph() const { return graph_; }
  NodeId id() const { return id_; }
  DnnCompiler& dnn() { return dnn_; }
  const LowerOptions& options() const { return options_; }
  const Shape& shape(ValueId value) const { return graph_.info(value).type.shape; }
  DType dtype(ValueId value) const { return graph_.info(value).type.dtype; }
  std::int32_t bytes_of_element(ValueId value) const {
    return int32(static_cast<std::int64_t>(size_of(dtype(value))));
  }
  // Returns how class numbers are given.
  Labels classes_of(ValueId numbers) const {
    return dtype(numbers) == DType::int32 ? Labels::int32_classes : Labels::float_classes;
  }

  using What = std::variant<KernelLaunch, GeneratedLaunch, DnnLaunch, ZeroLaunch>;
  // Appends a launch of the node that is being lowered.
  void append(What what, std::string name) { append(std::move(what), std::move(name), id_, id_); }
  // Appends the launch of one of our kernels, chosen by the type of its parameters.
  template <class Params>
  void launch(const Params& params, const Pack<Params>& pack) {
    const Kernel& kernel = kernel_of(params);
    append(KernelLaunch{&kernel, grid_of(params), pack.arguments()}, kernel.name);
  }

 private:
  void ingest();
  void lower_group();
  void lower_node(const Node& node);
  void append(What what, std::string name, NodeId first, NodeId last);

  const graph::Graph& graph_;
  std::span<const NodeId> last_of_group_;
  DnnCompiler& dnn_;
  const LowerOptions options_;
  LaunchPlan plan_;
  NodeId id_ = 0;  // of the node that is being lowered
};

// Appends cuDNN's launch for a node whose op has a spec. Returns false if cuDNN refuses it.
bool lower_by_cudnn(Lowering& lowering, const graph::Node& node);

}  // namespace stoker::backend::cuda

// The tensors of a step as the user's own code has them: layers, losses, metrics and steps that a
// program defines get them as stoker::Value, in place of the graph's values.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "graph/graph.h"
#include "layers/layer.h"

namespace stoker::layers {

// While it is in scope, the user's code of this thread appends to a graph: by calls of layers on
// tensors, and by the functions of stoker/ops.h. Scopes nest.
class BuildScope {
 public:
  // Is told of each layer that the user's code calls, before the call.
  using Called = std::function<void(const std::shared_ptr<LayerBase>&)>;

  // `context` is null in losses and metrics, which have neither layers nor random numbers.
  BuildScope(graph::Graph& graph, BuildContext* context, Called called = {});
  ~BuildScope();
  BuildScope(const BuildScope&) = delete;
  BuildScope& operator=(const BuildScope&) = delete;

  // The innermost scope of this thread. Throws ValueError where there is none; `what` is for the
  // message.
  static BuildScope& current(const char* what);

  graph::Graph& graph() { return graph_; }
  // Throws ValueError where there is none.
  BuildContext& context(const char* what);
  bool has_context() const { return context_ != nullptr; }
  // The next stream of random numbers of what is built here.
  std::uint32_t random_stream(const char* what) { return context(what).random_stream(streams_++); }
  // Whether the code of the innermost scope, or of a layer that it called, has appended the node.
  static bool has_made(const graph::Graph& graph, graph::NodeId node);
  std::vector<MaskedValue> call(const std::shared_ptr<LayerBase>& layer,
                                std::span<const MaskedValue> inputs,
                                const CallArguments& arguments);

 private:
  friend struct ValueAccess;

  graph::Graph& graph_;
  BuildContext* context_;
  Called called_;
  const std::size_t first_node_;
  std::uint32_t calls_ = 0;
  std::uint32_t streams_ = 0;
  BuildScope* outer_;
};

struct ValueAccess {
  static Value of(const MaskedValue& tensor);
  static bool is_tensor(const Value& value) { return value.id_ >= 0; }
  // The tensor, with its mask. Throws ValueError unless it belongs to the step that is being built.
  static MaskedValue tensor(const Value& value);
};

// The same for one value without its mask, and for several.
inline graph::Value tensor_of(const Value& value) { return ValueAccess::tensor(value).value; }
inline Value value_of(graph::Value tensor) { return ValueAccess::of({tensor}); }
std::vector<MaskedValue> tensors_of(std::span<const Value> values);
std::vector<Value> values_of(std::span<const MaskedValue> tensors);

}  // namespace stoker::layers

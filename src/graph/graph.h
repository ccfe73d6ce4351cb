// The static graph of one step: values and the nodes that make them, in the order of execution.
// Layers, losses, metrics and optimizers append to it; plan/ rewrites it and turns it into a
// program. Shapes are concrete, except while a model is being constructed, where the batch extent
// is unknown and nothing is executed.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "stoker/dtype.h"
#include "stoker/shape.h"

namespace stoker::graph {

class Graph;
struct Op;

// Where a value lives. All but the arena outlive the step.
enum class Space : std::uint8_t {
  arena,      // temporaries, laid out by plan/
  input,      // the batch: byte offset of the field in its slot
  parameter,  // trainable weights, flat
  gradient,   // their gradients, the same layout
  copy,       // of the parameters in a 16-bit type: the same layout, half the offsets
  slot,       // optimizer slots, one flat buffer per `index`, the same layout
  state,      // weights that are not trained (moving statistics)
  metric,     // totals that an epoch accumulates
  scalar,     // the block of device scalars: plan/scalars.h
};
const char* name_of(Space space);

struct Home {
  Space space = Space::arena;
  std::int32_t index = 0;
  std::int64_t offset = 0;  // bytes

  friend bool operator==(const Home&, const Home&) = default;
};

using ValueId = std::int32_t;
using NodeId = std::int32_t;
inline constexpr ValueId kNone = -1;

// A handle to a value of a graph; invalid when default-constructed.
struct Value {
  Graph* graph = nullptr;
  ValueId id = kNone;

  explicit operator bool() const { return id != kNone; }
  const Shape& shape() const;
  DType dtype() const;
  friend bool operator==(const Value&, const Value&) = default;
};

struct ValueType {
  DType dtype = DType::float32;
  Shape shape;
};

struct ValueInfo {
  ValueType type;
  Home home;
  NodeId node = -1;  // -1: a leaf
  std::string name;
};

// What an op needs beyond its inputs. Immutable once in a node; ops know their own type.
struct Attributes {
  virtual ~Attributes() = default;
  // For the dump, and to tell two nodes apart.
  virtual std::string text() const = 0;
};
using AttributesPtr = std::shared_ptr<const Attributes>;

struct Node {
  const Op* op = nullptr;
  std::vector<ValueId> inputs;
  std::vector<ValueId> outputs;
  AttributesPtr attributes;
  std::string scope;  // the layer, loss, ... that added it: Dense "logits"
};

// An operation: its name, and the rule that gives the gradients of its inputs.
struct Op {
  const char* name;
  int index;  // position in ops/ops.def
  // Appends nodes; `output_gradients` and the result may hold invalid values (no gradient).
  using Gradient = std::vector<Value> (*)(Graph& graph, NodeId node,
                                          std::span<const Value> output_gradients);
  Gradient gradient;
  const char* why_no_gradient;  // set exactly when gradient is null
  // Its kernel writes the block of device scalars (plan/scalars.h): an error, or the counters. No
  // output of its nodes tells that, so whoever moves nodes about has to ask.
  bool writes_scalars = false;
};

class Graph {
 public:
  Graph() = default;
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  // A value that exists before the step: a field of the batch, a weight, a scalar, ...
  Value leaf(std::string name, ValueType type, Home home);
  // Appends a node. Shape rules live in ops/, which calls this.
  std::vector<Value> append(const Op& op, std::vector<Value> inputs, AttributesPtr attributes,
                            std::vector<ValueType> outputs);
  // Makes the node that produces `value` write it to `home`.
  void place(Value value, Home home);

  // Nodes appended from now on belong to `scope`.
  void set_scope(std::string scope) { scope_ = std::move(scope); }
  const std::string& scope() const { return scope_; }

  std::vector<Node>& nodes() { return nodes_; }
  const std::vector<Node>& nodes() const { return nodes_; }
  const Node& node(NodeId id) const { return nodes_[static_cast<std::size_t>(id)]; }
  ValueInfo& info(ValueId id) { return values_[static_cast<std::size_t>(id)]; }
  const ValueInfo& info(ValueId id) const { return values_[static_cast<std::size_t>(id)]; }
  std::size_t value_count() const { return values_.size(); }
  Value value(ValueId id) { return {this, id}; }

  // Appends to pass lists: a bare value without a node, for passes that build nodes themselves.
  ValueId new_value(ValueType type, NodeId node, std::string name = {});

  // One line a node: number, op, shapes in and out, attributes, layer.
  std::string dump() const;

 private:
  std::vector<Node> nodes_;
  std::deque<ValueInfo> values_;  // shape() hands out references that appending must not move
  std::string scope_;
};

// Sets a graph's scope for a block of code.
class Scope {
 public:
  Scope(Graph& graph, std::string name) : graph_(graph), outer_(graph.scope()) {
    graph.set_scope(std::move(name));
  }
  ~Scope() { graph_.set_scope(outer_); }
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

 private:
  Graph& graph_;
  std::string outer_;
};

}  // namespace stoker::graph

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

class Expression;
class Graph;
struct Op;

// The place in which a value lives. All but the arena outlive the step.
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
  // The text that stands in the dump, and that tells two nodes apart.
  virtual std::string text() const = 0;
};
using AttributesPtr = std::shared_ptr<const Attributes>;

// The layer, loss, metric or optimizer that has added a node: messages and the dump name it, and
// reports go by it.
struct Origin {
  enum class Kind : std::uint8_t { unknown, layer, loss, metric, optimizer };

  Kind kind = Kind::unknown;
  std::string name;          // as users read it: Dense "logits"
  bool is_gradient = false;  // the node takes part in the way back

  // Dense "logits" (gradient)
  std::string text() const;
  Origin gradient() const { return {kind, name, true}; }
  friend bool operator==(const Origin&, const Origin&) = default;
};

struct Node {
  const Op* op = nullptr;
  std::vector<ValueId> inputs;
  std::vector<ValueId> outputs;
  AttributesPtr attributes;
  Origin origin;
};

// A trait without a default: who defines an op has to state it, or the op does not compile.
template <class T>
class Stated {
 public:
  // NOLINTNEXTLINE(google-explicit-constructor): traits are written as plain values.
  constexpr Stated(T value) : value_(value) {}
  // NOLINTNEXTLINE(google-explicit-constructor)
  constexpr operator T() const { return value_; }

 private:
  T value_;
};

// What an error that a kernel has recorded in the device scalars means, in the words of its op.
struct RecordedError {
  std::string what;    // "label 12 of row 3 is outside [0, 10)"
  std::string remedy;  // "Labels are class numbers from 0"
};

// What passes, the memory planner, backends and the trainer have to know of an op.
struct Traits {
  // Multiply-adds of a node: products that many of its elements share. Null: the op is as fast as
  // memory is.
  using MultiplyAdds = double (*)(const Graph& graph, const Node& node);
  using ReadsScalars = bool (*)(const Node& node);
  // `detail` and `row` as the kernel has recorded them.
  using DescribeError = RecordedError (*)(const Graph& graph, const Node& node, std::int64_t detail,
                                          std::int64_t row);

  using WithTail = AttributesPtr (*)(const Attributes& attributes, const Expression& tail);

  // Every backend's kernel takes values of any type: it converts what it loads and stores, or only
  // moves bytes. Otherwise plan/ puts conversions to float32 around a node of 16-bit values, unless
  // the backend says that it runs it as it is.
  Stated<bool> takes_any_dtype;
  // The kernel writes the block of device scalars (plan/scalars.h): an error, or the counters. No
  // output of its nodes tells that, so whoever moves nodes about has to ask.
  Stated<bool> writes_scalars;
  Stated<MultiplyAdds> multiply_adds;

  // The output is the input's memory, in another shape.
  bool is_view = false;
  // An output may be written over an input of the same shape and type.
  bool works_in_place = false;
  // The node's attributes hold an expression, which is all that it computes from its elements.
  bool carries_expression = false;
  // Whether a node reads the scalars though none of its inputs lies there; null: never.
  ReadsScalars reads_scalars = nullptr;
  // The attributes with another tail (ops/tail.h); null: nodes of this op have none.
  WithTail with_tail = nullptr;
  // Set exactly when the kernel may record an error.
  DescribeError describe_error = nullptr;
};

// An operation: its name, the rule that gives the gradients of its inputs, and its traits.
struct Op {
  // Appends nodes; `output_gradients` and the result may hold invalid values (no gradient).
  using Gradient = std::vector<Value> (*)(Graph& graph, NodeId node,
                                          std::span<const Value> output_gradients);
  const char* name;
  int index;  // position in ops/ops.def
  Gradient gradient;
  const char* why_no_gradient;  // set exactly when gradient is null
  Traits traits;
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

  // The origin of the nodes that are appended from now on.
  void set_origin(Origin origin) { origin_ = std::move(origin); }
  const Origin& origin() const { return origin_; }

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
  Origin origin_;
};

// Sets the origin of the nodes that a block of code appends.
class Scope {
 public:
  Scope(Graph& graph, Origin origin) : graph_(graph), outer_(graph.origin()) {
    graph.set_origin(std::move(origin));
  }
  ~Scope() { graph_.set_origin(std::move(outer_)); }
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

 private:
  Graph& graph_;
  Origin outer_;
};

}  // namespace stoker::graph

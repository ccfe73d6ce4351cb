// The static graph of one step consists of values and the nodes that compute them, in the order of
// execution. Layers, losses, metrics and optimizers append to it; plan/ rewrites it and turns it
// into a program. Shapes are concrete, except while a model is being constructed, when the batch
// extent is unknown and nothing is executed.
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

// The memory in which a value lives. All spaces but the arena outlive the step.
enum class Space : std::uint8_t {
  arena,      // temporaries, laid out by plan/
  input,      // the batch: byte offset of the field in its slot
  parameter,  // trainable weights, flat
  gradient,   // their gradients, the same layout
  copy,       // the parameters in a 16-bit type: the same layout, half the offsets
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
  NodeId node = -1;  // The node that computes the value; -1 for a leaf.
  std::string name;
};

// The settings of a node, beyond its inputs. They do not change once they are in a node, and each
// op knows the type of its own.
struct Attributes {
  virtual ~Attributes() = default;
  // The text for the dump, which also tells two nodes apart.
  virtual std::string text() const = 0;
};
using AttributesPtr = std::shared_ptr<const Attributes>;

// The layer, loss, metric or optimizer that has added a node. Error messages and the dump name it,
// and reports group nodes by it.
struct Origin {
  enum class Kind : std::uint8_t { unknown, layer, loss, metric, optimizer };

  Kind kind = Kind::unknown;
  std::string name;          // as users read it: Dense "logits"
  bool is_gradient = false;  // Whether the node belongs to the backward pass.

  // Examples: Dense "logits", Dense "logits" (gradient).
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

// A trait without a default: an op that does not state it does not compile.
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

// Explains, in the words of the op, an error that a kernel has recorded in the device scalars.
struct RecordedError {
  std::string what;    // "label 12 of row 3 is outside [0, 10)"
  std::string remedy;  // "Labels are class numbers from 0"
};

// The facts about an op that passes, the memory planner, backends and the trainer need.
struct Traits {
  // The multiply-adds of a node, for ops that compute products in which elements are used many
  // times. Null for an op whose speed is that of memory.
  using MultiplyAdds = double (*)(const Graph& graph, const Node& node);
  using ReadsScalars = bool (*)(const Node& node);
  // `detail` and `row` are the numbers that the kernel has recorded.
  using DescribeError = RecordedError (*)(const Graph& graph, const Node& node, std::int64_t detail,
                                          std::int64_t row);

  using WithTail = AttributesPtr (*)(const Attributes& attributes, const Expression& tail);

  // Whether every backend's kernel takes values of any type, because it converts what it loads and
  // stores or only moves bytes. Otherwise plan/ puts conversions to float32 around a node of 16-bit
  // values, unless the backend runs the node as it is.
  Stated<bool> takes_any_dtype;
  // Whether the kernel writes the block of device scalars (plan/scalars.h): an error, or the
  // counters. The outputs of a node do not show this, so code that reorders nodes has to ask.
  Stated<bool> writes_scalars;
  Stated<MultiplyAdds> multiply_adds;

  // Whether the output is the input's memory, in another shape.
  bool is_view = false;
  // Whether an output may be written over an input of the same shape and type.
  bool works_in_place = false;
  // Whether the node's attributes hold an expression that is all its arithmetic on single elements.
  bool carries_expression = false;
  // Whether a node reads the scalars although none of its inputs lies there. Null: none does.
  ReadsScalars reads_scalars = nullptr;
  // Returns the attributes with another tail (ops/tail.h). Null: nodes of this op have no tail.
  WithTail with_tail = nullptr;
  // Describes a recorded error. It is set exactly when the kernel may record one.
  DescribeError describe_error = nullptr;
};

// An operation: its name, the rule that gives the gradients of its inputs, and its traits.
struct Op {
  // The rule appends nodes. `output_gradients` and the result may hold invalid values, which mean
  // no gradient.
  using Gradient = std::vector<Value> (*)(Graph& graph, NodeId node,
                                          std::span<const Value> output_gradients);
  const char* name;
  int index;  // The position in ops/ops.def.
  Gradient gradient;
  const char* why_no_gradient;  // The reason is set exactly when gradient is null.
  Traits traits;
};

class Graph {
 public:
  Graph();
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  // Adds a value that exists before the step: a field of the batch, a weight, a scalar, ...
  Value leaf(std::string name, ValueType type, Home home);
  // Appends a node. Shapes are checked by the functions in ops/, which call this.
  std::vector<Value> append(const Op& op, std::vector<Value> inputs, AttributesPtr attributes,
                            std::vector<ValueType> outputs);
  // Makes the node that computes `value` write it to `home`.
  void place(Value value, Home home);

  // Sets the origin of the nodes that are appended from now on.
  void set_origin(Origin origin) { origin_ = std::move(origin); }
  const Origin& origin() const { return origin_; }

  std::vector<Node>& nodes() { return nodes_; }
  const std::vector<Node>& nodes() const { return nodes_; }
  const Node& node(NodeId id) const { return nodes_[static_cast<std::size_t>(id)]; }
  ValueInfo& info(ValueId id) { return values_[static_cast<std::size_t>(id)]; }
  const ValueInfo& info(ValueId id) const { return values_[static_cast<std::size_t>(id)]; }
  std::size_t value_count() const { return values_.size(); }
  Value value(ValueId id) { return {this, id}; }

  // Adds a value without a node, for passes that build nodes themselves.
  ValueId new_value(ValueType type, NodeId node, std::string name = {});

  // Prints one line a node: number, op, shapes in and out, attributes, layer.
  std::string dump() const;

  // A number that no other graph of the process has, above 0.
  std::uint64_t serial() const { return serial_; }

 private:
  std::vector<Node> nodes_;
  // This is a deque because shape() hands out references that appending must not move.
  std::deque<ValueInfo> values_;
  Origin origin_;
  std::uint64_t serial_;
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

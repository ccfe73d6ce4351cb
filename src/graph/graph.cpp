#include "graph/graph.h"

#include <atomic>
#include <cassert>
#include <utility>

#include "core/format.h"

namespace stoker::graph {

const char* name_of(Space space) {
  switch (space) {
    case Space::arena:
      return "arena";
    case Space::input:
      return "input";
    case Space::parameter:
      return "parameter";
    case Space::gradient:
      return "gradient";
    case Space::copy:
      return "copy";
    case Space::slot:
      return "slot";
    case Space::state:
      return "state";
    case Space::metric:
      return "metric";
    case Space::scalar:
      return "scalar";
  }
  return "?";
}

std::string Origin::text() const { return is_gradient ? name + " (gradient)" : name; }

const Shape& Value::shape() const { return graph->info(id).type.shape; }
DType Value::dtype() const { return graph->info(id).type.dtype; }

ValueId Graph::new_value(ValueType type, NodeId node, std::string name) {
  values_.push_back({.type = type, .home = {}, .node = node, .name = std::move(name)});
  return static_cast<ValueId>(values_.size() - 1);
}

Graph::Graph() {
  static std::atomic<std::uint64_t> graphs{0};
  serial_ = ++graphs;
}

Value Graph::leaf(std::string name, ValueType type, Home home) {
  const ValueId id = new_value(type, -1, std::move(name));
  values_.back().home = home;
  return {this, id};
}

std::vector<Value> Graph::append(const Op& op, std::vector<Value> inputs, AttributesPtr attributes,
                                 std::vector<ValueType> outputs) {
  const auto id = static_cast<NodeId>(nodes_.size());
  Node node;
  node.op = &op;
  node.attributes = std::move(attributes);
  node.origin = origin_;
  for (const Value& input : inputs) {
    assert(input.graph == this && input.id != kNone);
    node.inputs.push_back(input.id);
  }
  std::vector<Value> results;
  for (const ValueType& type : outputs) {
    node.outputs.push_back(new_value(type, id));
    results.push_back({this, node.outputs.back()});
  }
  nodes_.push_back(std::move(node));
  return results;
}

void Graph::place(Value value, Home home) { info(value.id).home = home; }

std::string Graph::dump() const {
  std::ostringstream out;
  const auto print = [&](ValueId id) {
    const ValueInfo& value = info(id);
    out << '%' << id << ':' << name_of(value.type.dtype) << to_string(value.type.shape);
    if (!value.name.empty()) out << '\'' << value.name << '\'';
    if (value.home.space != Space::arena) out << '@' << name_of(value.home.space);
  };
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    const Node& node = nodes_[i];
    out << i << ": ";
    for (std::size_t k = 0; k < node.outputs.size(); ++k) {
      if (k > 0) out << ", ";
      print(node.outputs[k]);
    }
    out << " = " << node.op->name << '(';
    for (std::size_t k = 0; k < node.inputs.size(); ++k) {
      if (k > 0) out << ", ";
      print(node.inputs[k]);
    }
    out << ')';
    const std::string attributes = node.attributes ? node.attributes->text() : std::string{};
    if (!attributes.empty()) out << " {" << attributes << '}';
    const std::string origin = node.origin.text();
    if (!origin.empty()) out << "  # " << origin;
    out << '\n';
  }
  return out.str();
}

}  // namespace stoker::graph

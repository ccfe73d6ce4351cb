#include "ops/tail.h"

#include <algorithm>
#include <utility>

#include "core/format.h"
#include "stoker/error.h"

namespace stoker::ops {

using graph::ExprOp;
using graph::Instruction;
using graph::Node;
using graph::ValueId;
using graph::ValueType;

const Expression& tail_of(const Node& node) {
  static const Expression& none = *new Expression;
  if (node.op->traits.with_tail == nullptr) return none;
  return static_cast<const TailedAttributes&>(*node.attributes).tail;
}

// The tail's inputs are the last ones of the node.
ValueId tail_input(const Node& node, int i) {
  const auto behind = static_cast<std::size_t>(tail_of(node).input_count() - i);
  return node.inputs[node.inputs.size() - behind];
}

Node without_tail(const Node& node) {
  const Expression& tail = tail_of(node);
  if (tail.outputs().empty()) return node;
  Node plain = node;
  plain.inputs.resize(node.inputs.size() - static_cast<std::size_t>(tail.input_count() - 1));
  plain.attributes = node.op->traits.with_tail(*node.attributes, {});
  return plain;
}

std::optional<GatedSum> as_gated_sum(const Expression& expression) {
  if (expression.outputs().size() != 1) return std::nullopt;
  const auto at = [&](std::int32_t id) -> const Instruction& {
    return expression.instructions()[static_cast<std::size_t>(id)];
  };
  const auto input = [&](std::int32_t id) {
    return at(id).op == ExprOp::input ? at(id).index : -1;
  };
  GatedSum sum;
  const Instruction* root = &at(expression.outputs()[0]);
  if (root->op == ExprOp::relu) {
    sum.relu = true;
    root = &at(root->a);
  } else if (root->op == ExprOp::select) {
    const Instruction& other = at(root->c);
    sum.mask = input(root->a);
    if (sum.mask < 0 || other.op != ExprOp::constant || other.value != 0.0f) return std::nullopt;
    root = &at(root->b);
  }
  if (root->op == ExprOp::add) {
    sum.base = input(root->a);
    sum.addend = input(root->b);
    if (sum.base < 0 || sum.addend < 0) return std::nullopt;
  } else if (root->op == ExprOp::input) {
    sum.base = root->index;
  } else {
    return std::nullopt;
  }
  const bool does_something = sum.relu || sum.mask >= 0 || sum.addend >= 0;
  const bool are_different =
      sum.base != sum.addend && sum.base != sum.mask && (sum.mask < 0 || sum.mask != sum.addend);
  if (!does_something || !are_different) return std::nullopt;
  if (sum.addend == 0) std::swap(sum.base, sum.addend);
  return sum;
}

GatedSum gated_sum_of(const Expression& tail) {
  if (tail.outputs().empty()) return {};
  const auto sum = as_gated_sum(tail);
  if (!sum || sum->base != 0) throw Error(format("no kernel takes the tail ", tail.text()));
  return *sum;
}

Expression sum_and_relu(bool adds, bool relu) {
  const auto bend = [&](Expr x) { return relu ? graph::relu(x) : x; };
  if (!adds) return graph::expression_of<1>(bend);
  return graph::expression_of<2>([&](Expr x, Expr y) { return bend(x + y); });
}

Expression relu_gradient() {
  return graph::expression_of<2>([](Expr dy, Expr y) {
    return select(y, dy, Expr{y.expression, y.expression->constant(0.0f)});
  });
}

namespace {

// The tail of a node in that form, or nullopt where it does not have it.
std::optional<GatedSum> tail_form(const Node& node) {
  const auto sum = as_gated_sum(tail_of(node));
  return sum && sum->base == 0 ? sum : std::nullopt;
}

const ValueType& result(const graph::Graph& graph, const Node& node) {
  return graph.info(node.outputs[0]).type;
}

bool has_type(const graph::Graph& graph, ValueId value, DType dtype, const Shape& shape) {
  const ValueType& type = graph.info(value).type;
  return type.dtype == dtype && type.shape == shape;
}

bool has_addend_and_relu(const graph::Graph& graph, const Node& node, const Shape& shape) {
  const auto form = tail_form(node);
  if (!form || form->mask >= 0) return false;
  return form->addend < 0 ||
         has_type(graph, tail_input(node, form->addend), result(graph, node).dtype, shape);
}

}  // namespace

bool has_bias_and_relu(const graph::Graph& graph, const Node& node) {
  const Shape& y = result(graph, node).shape;
  return y.rank() > 0 && has_addend_and_relu(graph, node, {y.back()});
}

bool has_sum_and_relu(const graph::Graph& graph, const Node& node) {
  return has_addend_and_relu(graph, node, result(graph, node).shape);
}

bool has_relu_gradient(const graph::Graph& graph, const Node& node) {
  const auto form = tail_form(node);
  const ValueType& y = result(graph, node);
  return form && form->mask >= 0 && form->addend < 0 &&
         has_type(graph, tail_input(node, form->mask), y.dtype, y.shape);
}

bool has_masked_sum(const graph::Graph& graph, const Node& node) {
  const auto form = as_gated_sum(attributes_of<BatchNormAttributes>(node).head);
  const ValueType& x = graph.info(node.inputs[0]).type;
  return form && !form->relu &&
         std::all_of(node.inputs.begin() + 4, node.inputs.end(),
                     [&](ValueId input) { return has_type(graph, input, x.dtype, x.shape); });
}

std::string text_of_tail(const Expression& tail, const char* addend, const char* mask) {
  if (tail.outputs().empty()) return {};
  const auto sum = as_gated_sum(tail);
  if (!sum) return "then " + tail.text();
  std::string text = sum->addend >= 0 ? addend : "";
  const char* gate = sum->relu ? "relu" : sum->mask >= 0 ? mask : "";
  if (!text.empty() && *gate != '\0') text += ' ';
  return text + gate;
}

}  // namespace stoker::ops

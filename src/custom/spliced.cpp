#include "custom/spliced.h"

#include <algorithm>
#include <array>

#include "ops/common.h"

namespace stoker::functions {
namespace {

using graph::ExprOp;

// Beyond these, computing anew costs more than memory does.
constexpr std::size_t kMostInstructions = 64;
constexpr std::size_t kMostCostly = 4;
constexpr std::size_t kMostInputs = 8;

bool is_costly(const graph::Instruction& instruction) {
  constexpr std::array kCostly{ExprOp::exp,  ExprOp::expm1,   ExprOp::log, ExprOp::log1p,
                               ExprOp::tanh, ExprOp::sigmoid, ExprOp::erf, ExprOp::sin,
                               ExprOp::cos,  ExprOp::pow};
  return std::ranges::find(kCostly, instruction.op) != kCostly.end();
}

// The node that made x by arithmetic on single elements, within the same call; null where it is
// another one.
const graph::Node* arithmetic_of(Tensor x) {
  graph::Graph& graph = *x.graph;
  const graph::NodeId id = graph.info(x.id).node;
  if (id < 0 || !layers::BuildScope::has_made(graph, id)) return nullptr;
  const graph::Node& node = graph.node(id);
  if (!ops::is_op(node, ops::OpIndex::pointwise) || node.outputs.size() != 1) return nullptr;
  if (!(node.origin == graph.origin()) || x.dtype() != DType::float32) return nullptr;
  const auto& attributes = ops::attributes_of<ops::PointwiseAttributes>(node);
  const bool is_plain = attributes.guard == ops::Guard::none && attributes.ranges.empty() &&
                        !attributes.expression.uses_random();
  return is_plain ? &node : nullptr;
}

}  // namespace

Expr Spliced::input(Tensor x) {
  const auto known = std::ranges::find(inputs_, x);
  const auto number = known - inputs_.begin();
  if (known == inputs_.end()) inputs_.push_back(x);
  return {&expression_, expression_.input(static_cast<int>(number))};
}

Expr Spliced::operand(Tensor x) {
  const graph::Node* made = arithmetic_of(x);
  if (made == nullptr) return input(x);
  const auto& inner = ops::attributes_of<ops::PointwiseAttributes>(*made).expression;
  const bool fits = made->inputs.empty() || x.shape() == shape_;
  const auto costly =
      static_cast<std::size_t>(std::ranges::count_if(inner.instructions(), is_costly));
  const auto own = expression_.instructions();
  const auto costly_here = static_cast<std::size_t>(std::ranges::count_if(own, is_costly));
  const bool is_small = inner.instructions().size() + own.size() <= kMostInstructions &&
                        costly + costly_here <= kMostCostly &&
                        inputs_.size() + made->inputs.size() <= kMostInputs;
  if (!fits || !is_small) return input(x);
  std::vector<std::int32_t> operands;
  for (const graph::ValueId id : made->inputs) operands.push_back(input(x.graph->value(id)).id);
  return {&expression_, expression_.splice(inner, operands)[0]};
}

namespace {

Shape shape_of(std::span<const Tensor> operands) {
  return ops::broadcast(operands[0].graph->origin(), operands);
}

void fill(Spliced& whole, std::span<const Tensor> operands,
          const std::function<Expr(std::span<const Expr>)>& f) {
  std::vector<Expr> parts;
  for (const Tensor& operand : operands) parts.push_back(whole.operand(operand));
  whole.set_result(f(parts));
}

}  // namespace

Tensor map_spliced(std::span<const Tensor> operands,
                   const std::function<Expr(std::span<const Expr>)>& f) {
  graph::Graph& graph = *operands[0].graph;
  const Shape shape = shape_of(operands);
  const graph::ValueType type{ops::common_dtype(operands), shape};
  Spliced whole(shape);
  fill(whole, operands, f);
  return ops::pointwise(graph, type, whole.inputs(), whole.expression())[0];
}

Tensor map_spliced(Tensor x, const std::function<Expr(Expr)>& f) {
  return map_spliced({&x, 1}, [&](std::span<const Expr> parts) { return f(parts[0]); });
}

Tensor reduce_spliced(ops::ReduceKind kind, std::span<const Tensor> operands,
                      const std::function<Expr(std::span<const Expr>)>& f,
                      std::vector<std::int64_t> axes, bool keep_dims, float scale) {
  const Shape shape = shape_of(operands);
  Spliced whole(shape);
  fill(whole, operands, f);
  // The inputs that are left have to span the shape that is reduced.
  const std::vector<Tensor> inputs = whole.inputs();
  if (inputs.empty() || shape_of(inputs) != shape) {
    const Tensor made = map_spliced(operands, f);
    return ops::reduce(kind, made, std::move(axes), keep_dims, scale);
  }
  return ops::reduce(kind, inputs, whole.expression(), std::move(axes), keep_dims, scale);
}

Tensor reduce_spliced(ops::ReduceKind kind, Tensor x, const std::function<Expr(Expr)>& f,
                      std::vector<std::int64_t> axes, bool keep_dims, float scale) {
  return reduce_spliced(
      kind, {&x, 1}, [&](std::span<const Expr> parts) { return f(parts[0]); }, std::move(axes),
      keep_dims, scale);
}

}  // namespace stoker::functions

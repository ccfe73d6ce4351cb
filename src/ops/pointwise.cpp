// pointwise is the one op for all arithmetic on single elements; its expression says which
// arithmetic.
#include <algorithm>
#include <optional>

#include "ops/common.h"

namespace stoker::ops {
namespace {

std::vector<Value> gradient(Graph& graph, NodeId id, std::span<const Value> dy) {
  const Node node = graph.node(id);
  const auto& attributes = attributes_of<PointwiseAttributes>(node);
  // An expression need not use the last inputs. Those it does not know of have no gradient.
  const auto n = static_cast<std::size_t>(attributes.expression.input_count());
  const std::size_t m = node.outputs.size();
  const Shape shape = graph.info(node.outputs[0]).type.shape;

  // The inputs of the derivative are forward's inputs, its outputs, and the gradients of these (0
  // where none came).
  const Expression derivative = graph::differentiate(attributes.expression);
  Expression expression;
  std::vector<Value> inputs;
  std::vector<std::int32_t> ids;
  const auto take = [&](Value value) {
    ids.push_back(expression.input(static_cast<int>(inputs.size())));
    inputs.push_back(value);
  };
  for (std::size_t i = 0; i < n; ++i) take(graph.value(node.inputs[i]));
  for (std::size_t i = 0; i < m; ++i) take(graph.value(node.outputs[i]));
  for (std::size_t i = 0; i < m; ++i) {
    if (dy[i]) {
      take(dy[i]);
    } else {
      ids.push_back(expression.constant(0.0f));
    }
  }
  const auto roots = expression.splice(derivative, ids);

  // Each input that can have a gradient gets a node of its own. Fusion would join those of one
  // shape anyway.
  std::vector<Value> result(node.inputs.size());
  for (std::size_t i = 0; i < n; ++i) {
    const Value input = graph.value(node.inputs[i]);
    if (!is_floating(input.dtype())) continue;
    Expression one;
    std::vector<std::int32_t> own;
    for (std::size_t k = 0; k < inputs.size(); ++k) own.push_back(one.input(static_cast<int>(k)));
    Expression all = expression;
    all.add_output(roots[i]);
    one.add_output(one.splice(all, own)[0]);
    std::vector<int> kept;
    one = one.compacted(&kept);
    std::vector<Value> used;
    for (const int k : kept) used.push_back(inputs[static_cast<std::size_t>(k)]);
    const auto& root = one.instructions()[static_cast<std::size_t>(one.outputs()[0])];
    if (root.op == graph::ExprOp::constant && root.value == 0.0f) continue;
    // A gradient that is summed next stays float32, so that it is not rounded before the sum.
    const DType dtype = input.shape() == shape ? common_dtype(used) : DType::float32;
    const Value full = root.op == graph::ExprOp::input && used[0].shape() == shape
                           ? used[0]
                           : pointwise(graph, graph::ValueType{dtype, shape}, used, one)[0];
    result[i] = sum_to_shape(full, input.shape());
  }
  return result;
}

// A guard reads the error and the skipped update from the scalars, random numbers the seed and the
// step.
bool reads_scalars(const Node& node) {
  const auto& attributes = attributes_of<PointwiseAttributes>(node);
  return attributes.guard != Guard::none || attributes.expression.uses_random();
}

}  // namespace

const Op pointwise_op = define("pointwise", OpIndex::pointwise, gradient,
                               {.takes_any_dtype = true,
                                .writes_scalars = false,
                                .multiply_adds = nullptr,
                                .works_in_place = true,
                                .carries_expression = true,
                                .reads_scalars = reads_scalars});

std::string PointwiseAttributes::text() const {
  std::string text = expression.text();
  if (!ranges.empty()) text += format(" over ", ranges.size(), " ranges");
  if (guard == Guard::error) text += " guarded";
  if (guard == Guard::update) text += " guarded update";
  if (keeps_finite) text += " finite";
  return text;
}

Shape broadcast(const graph::Origin& origin, std::span<const Value> inputs) {
  Shape result;
  for (const Value& input : inputs) {
    const Shape& shape = input.shape();
    const std::size_t rank = std::max(result.rank(), shape.rank());
    Shape merged;
    for (std::size_t i = 0; i < rank; ++i) {
      const auto extent = [&](const Shape& s) {
        return i + s.rank() < rank ? 1 : s[i + s.rank() - rank];
      };
      const std::int64_t a = extent(result);
      const std::int64_t b = extent(shape);
      if (a != b && a != 1 && b != 1) {
        throw ShapeError(
            format(where(origin), "shapes ", result, " and ", shape, " do not broadcast"));
      }
      merged.push_back(a == 1 ? b : a);
    }
    result = merged;
  }
  return result;
}

DType common_dtype(std::span<const Value> inputs) {
  std::optional<DType> common;
  for (const Value& input : inputs) {
    if (!is_floating(input.dtype())) continue;
    if (common && *common != input.dtype()) return DType::float32;
    common = input.dtype();
  }
  return common.value_or(DType::float32);
}

std::vector<Value> pointwise(Graph& graph, ValueType type, std::vector<Value> inputs,
                             Expression expression) {
  PointwiseAttributes attributes;
  const std::size_t outputs = expression.outputs().size();
  attributes.expression = std::move(expression);
  return graph.append(pointwise_op, std::move(inputs), share(std::move(attributes)),
                      std::vector<ValueType>(outputs, type));
}

std::vector<Value> pointwise(Graph& graph, Shape shape, std::vector<Value> inputs,
                             Expression expression) {
  const DType dtype = common_dtype(inputs);
  return pointwise(graph, ValueType{dtype, shape}, std::move(inputs), std::move(expression));
}

std::vector<Value> pointwise(std::vector<Value> inputs, Expression expression) {
  Graph& graph = *inputs.at(0).graph;
  const Shape shape = broadcast(graph.origin(), inputs);
  return pointwise(graph, shape, std::move(inputs), std::move(expression));
}

void pointwise_into(std::vector<Value> inputs, Expression expression, std::vector<Home> homes,
                    WriteOptions options) {
  Graph& graph = *inputs.at(0).graph;
  const Shape shape = broadcast(graph.origin(), inputs);
  PointwiseAttributes attributes;
  attributes.expression = std::move(expression);
  attributes.ranges = std::move(options.ranges);
  attributes.guard = options.guard;
  attributes.keeps_finite = options.keeps_finite;
  std::vector<ValueType> types;
  for (std::size_t i = 0; i < homes.size(); ++i) {
    types.push_back({options.dtypes.empty() ? DType::float32 : options.dtypes[i], shape});
  }
  const auto outputs =
      graph.append(pointwise_op, std::move(inputs), share(std::move(attributes)), types);
  for (std::size_t i = 0; i < homes.size(); ++i) graph.place(outputs[i], homes[i]);
}

void pointwise_into(Value x, const std::function<Expr(Expr)>& f, Home home, WriteOptions options) {
  pointwise_into({x}, graph::expression_of<1>(f), {home}, std::move(options));
}
void pointwise_into(Value x, Value y, const std::function<Expr(Expr, Expr)>& f, Home home,
                    WriteOptions options) {
  pointwise_into({x, y}, graph::expression_of<2>(f), {home}, std::move(options));
}

Value map(Value x, const std::function<Expr(Expr)>& f) {
  return pointwise({x}, graph::expression_of<1>(f))[0];
}
Value map(Value x, Value y, const std::function<Expr(Expr, Expr)>& f) {
  return pointwise({x, y}, graph::expression_of<2>(f))[0];
}
Value map(Value x, Value y, Value z, const std::function<Expr(Expr, Expr, Expr)>& f) {
  return pointwise({x, y, z}, graph::expression_of<3>(f))[0];
}
Value add(Value a, Value b) {
  return map(a, b, [](Expr x, Expr y) { return x + y; });
}
Value multiply(Value a, Value b) {
  return map(a, b, [](Expr x, Expr y) { return x * y; });
}
Value cast(Value x, DType dtype) {
  if (x.dtype() == dtype) return x;
  return pointwise(*x.graph, ValueType{dtype, x.shape()}, {x}, graph::identity())[0];
}

Value fill(Graph& graph, Shape shape, float value) {
  Expression expression;
  expression.add_output(expression.constant(value));
  return pointwise(graph, shape, {}, std::move(expression))[0];
}

Value broadcast_to(Value x, Shape shape) {
  if (x.shape() == shape) return x;
  return pointwise(*x.graph, shape, {x}, graph::identity())[0];
}

}  // namespace stoker::ops

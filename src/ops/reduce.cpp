// reduce takes the sum, maximum or minimum of an expression over some axes.
#include <algorithm>

#include "ops/common.h"

namespace stoker::ops {
namespace {

Shape with_kept_dims(Shape shape, const std::vector<std::int64_t>& axes) {
  for (const std::int64_t axis : axes) shape[static_cast<std::size_t>(axis)] = 1;
  return shape;
}

// The sum passes its gradient to every element. Maximum and minimum pass theirs to the elements
// that equal the result, shared evenly between them, as Keras's backends do.
std::vector<Value> gradient(Graph& graph, NodeId id, std::span<const Value> dy) {
  const Node node = graph.node(id);
  const auto attributes = attributes_of<ReduceAttributes>(node);
  std::vector<Value> inputs;
  for (const auto input : node.inputs) inputs.push_back(graph.value(input));
  const Shape full = broadcast(graph.origin(), inputs);
  const Shape kept = with_kept_dims(full, attributes.axes);

  Value incoming = reshape(dy[0], kept);
  if (attributes.kind != ReduceKind::sum) {
    const Value x = pointwise(graph, full, inputs, attributes.expression)[0];
    const Value y = reshape(graph.value(node.outputs[0]), kept);
    // The elements are scaled as the result was, because dividing the result would not always give
    // the element back.
    const float scale = attributes.scale;
    const auto hit = [scale](Expr a, Expr b) { return equal(a * scale, b); };
    const Value hits = reduce(ReduceKind::sum, x, y, hit, attributes.axes, true);
    const Expression share_out = graph::expression_of<4>(
        [&](Expr a, Expr b, Expr all, Expr above) { return hit(a, b) * above / all; });
    incoming = pointwise({x, y, hits, incoming}, share_out)[0];
  }

  // The gradient passes through the expression as through that of a pointwise op. An expression
  // need not use the last inputs, and those it does not know of have no gradient.
  const auto n = static_cast<std::size_t>(attributes.expression.input_count());
  const Expression derivative = graph::differentiate(attributes.expression);
  std::vector<Value> result(inputs.size());
  for (std::size_t i = 0; i < n; ++i) {
    if (!is_floating(inputs[i].dtype())) continue;
    Expression expression;
    std::vector<std::int32_t> ids;
    for (std::size_t k = 0; k < n; ++k) ids.push_back(expression.input(static_cast<int>(k)));
    const auto forward = expression.splice(attributes.expression, ids);
    ids.push_back(forward[0]);
    const float scale = attributes.scale;
    const Expr above{&expression, expression.input(static_cast<int>(n))};
    ids.push_back((above * scale).id);
    expression.add_output(expression.splice(derivative, ids)[i]);
    std::vector<int> kept_inputs;
    expression = expression.compacted(&kept_inputs);
    std::vector<Value> used;
    used.reserve(kept_inputs.size());
    for (const int k : kept_inputs) {
      used.push_back(k == static_cast<int>(n) ? incoming : inputs[static_cast<std::size_t>(k)]);
    }
    const auto& root = expression.instructions()[static_cast<std::size_t>(expression.outputs()[0])];
    if (root.op == graph::ExprOp::constant && root.value == 0.0f) continue;
    result[i] = sum_to_shape(pointwise(graph, full, used, expression)[0], inputs[i].shape());
  }
  return result;
}

bool reads_scalars(const Node& node) {
  return attributes_of<ReduceAttributes>(node).expression.uses_random();
}

}  // namespace

const Op reduce_op = define("reduce", OpIndex::reduce, gradient,
                            {.takes_any_dtype = true,
                             .writes_scalars = false,
                             .multiply_adds = nullptr,
                             .carries_expression = true,
                             .reads_scalars = reads_scalars});

std::string ReduceAttributes::text() const {
  std::ostringstream out;
  out << (kind == ReduceKind::sum   ? "sum"
          : kind == ReduceKind::max ? "max"
                                    : "min")
      << " of " << expression.text() << " over axes";
  for (const auto axis : axes) out << ' ' << axis;
  if (scale != 1.0f) out << " times " << scale;
  return out.str();
}

Value reduce(ReduceKind kind, std::vector<Value> inputs, Expression expression,
             std::vector<std::int64_t> axes, bool keep_dims, float scale) {
  Graph& graph = *inputs.at(0).graph;
  const Shape full = broadcast(graph.origin(), inputs);
  for (auto& axis : axes) {
    if (axis < 0) axis += static_cast<std::int64_t>(full.rank());
    require(axis >= 0 && axis < static_cast<std::int64_t>(full.rank()), graph, "reduce: axis ",
            axis, " is not one of ", full);
  }
  std::sort(axes.begin(), axes.end());
  Shape shape;
  for (std::size_t i = 0; i < full.rank(); ++i) {
    const bool reduced =
        std::find(axes.begin(), axes.end(), static_cast<std::int64_t>(i)) != axes.end();
    if (!reduced) shape.push_back(full[i]);
    if (reduced && keep_dims) shape.push_back(1);
  }
  ReduceAttributes attributes;
  attributes.kind = kind;
  attributes.expression = std::move(expression);
  attributes.axes = std::move(axes);
  attributes.keep_dims = keep_dims;
  attributes.scale = scale;
  return graph.append(reduce_op, std::move(inputs), share(std::move(attributes)),
                      {{DType::float32, shape}})[0];
}

Value reduce(ReduceKind kind, Value x, std::vector<std::int64_t> axes, bool keep_dims,
             float scale) {
  return reduce(kind, {x}, graph::identity(), std::move(axes), keep_dims, scale);
}

Value reduce(ReduceKind kind, Value x, const std::function<Expr(Expr)>& f,
             std::vector<std::int64_t> axes, bool keep_dims, float scale) {
  return reduce(kind, {x}, graph::expression_of<1>(f), std::move(axes), keep_dims, scale);
}
Value reduce(ReduceKind kind, Value x, Value y, const std::function<Expr(Expr, Expr)>& f,
             std::vector<std::int64_t> axes, bool keep_dims, float scale) {
  return reduce(kind, {x, y}, graph::expression_of<2>(f), std::move(axes), keep_dims, scale);
}
Value reduce(ReduceKind kind, Value x, Value y, Value z,
             const std::function<Expr(Expr, Expr, Expr)>& f, std::vector<std::int64_t> axes,
             bool keep_dims, float scale) {
  return reduce(kind, {x, y, z}, graph::expression_of<3>(f), std::move(axes), keep_dims, scale);
}

Value reduce_sum(Value x, std::vector<std::int64_t> axes, bool keep_dims) {
  return reduce(ReduceKind::sum, x, std::move(axes), keep_dims);
}

Value reduce_mean(Value x, std::vector<std::int64_t> axes, bool keep_dims) {
  std::int64_t count = 1;
  for (const auto axis : axes) {
    count *= x.shape()[static_cast<std::size_t>(
        axis < 0 ? axis + static_cast<std::int64_t>(x.shape().rank()) : axis)];
  }
  return reduce(ReduceKind::sum, x, std::move(axes), keep_dims,
                static_cast<float>(1.0 / static_cast<double>(count)));
}

Value reduce_sum_all(Value x) {
  std::vector<std::int64_t> axes(x.shape().rank());
  for (std::size_t i = 0; i < axes.size(); ++i) axes[i] = static_cast<std::int64_t>(i);
  return axes.empty() ? x : reduce_sum(x, axes);
}

Value sum_to_shape(Value x, Shape shape) {
  if (x.shape() == shape) return x;
  const std::size_t lead = x.shape().rank() - shape.rank();
  std::vector<std::int64_t> axes;
  for (std::size_t i = 0; i < x.shape().rank(); ++i) {
    if (i < lead || (shape[i - lead] == 1 && x.shape()[i] != 1)) {
      axes.push_back(static_cast<std::int64_t>(i));
    }
  }
  const Value sum = axes.empty() ? x : reduce_sum(x, axes);
  return reshape(sum, shape);
}

}  // namespace stoker::ops

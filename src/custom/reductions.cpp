// Functions over axes.
#include <algorithm>
#include <numeric>

#include "custom/function.h"
#include "custom/spliced.h"
#include "ops/common.h"

namespace stoker::functions {
namespace {

using ops::ReduceKind;

bool keeps(const FunctionCall& call) { return call.flag("keepdims"); }

// The share of one element in a mean over these axes. While shapes are checked an extent may be
// unknown, and the share does not matter.
float share_of(const Shape& shape, const std::vector<std::int64_t>& axes) {
  double elements = 1.0;
  for (const std::int64_t axis : axes) {
    elements *= static_cast<double>(shape[static_cast<std::size_t>(axis)]);
  }
  return static_cast<float>(1.0 / elements);
}

Tensor sum_of(const FunctionCall& call, const std::function<Expr(Expr)>& f) {
  return reduce_spliced(ReduceKind::sum, call.x(), f, call.axes(), keeps(call));
}
Expr same(Expr x) { return x; }
Tensor truth_of(Tensor x) {
  return ops::map(x, [](Expr value) { return 1.0f - graph::equal(value, 0.0f); });
}

// The mean of the squared distances from the mean, in two passes.
Tensor variance(const FunctionCall& call) {
  const std::vector<std::int64_t> axes = call.axes();
  const float share = share_of(call.x().shape(), axes);
  const Tensor mean = ops::reduce(ReduceKind::sum, call.x(), axes, true, share);
  return ops::reduce(
      ReduceKind::sum, call.x(), mean, [](Expr x, Expr m) { return graph::square(x - m); }, axes,
      keeps(call), share);
}

Tensor without_axes(Tensor x, const std::vector<std::int64_t>& axes) {
  Shape shape;
  for (std::size_t i = 0; i < x.shape().rank(); ++i) {
    if (!std::binary_search(axes.begin(), axes.end(), static_cast<std::int64_t>(i))) {
      shape.push_back(x.shape()[i]);
    }
  }
  return ops::reshape(x, shape);
}

// The largest element is taken out of the sum, so that no power is infinite. As a constant it
// changes neither the value nor the gradient. Where it is infinite itself, 0 stands in for it.
struct ScaledPowers {
  Tensor largest, sum;  // with the axes kept
};
ScaledPowers powers(Tensor x, const std::vector<std::int64_t>& axes) {
  const Tensor largest =
      ops::map(ops::stop_gradient(ops::reduce(ReduceKind::max, x, axes, true)), [](Expr m) {
        return graph::select(graph::is_finite(m), m,
                             Expr{m.expression, m.expression->constant(0.0f)});
      });
  return {largest, ops::reduce(
                       ReduceKind::sum, x, largest,
                       [](Expr value, Expr m) { return graph::exp(value - m); }, axes, true)};
}

// x with the axis at the end, which is where the kernels of softmax and argmax want it, and back.
Tensor swapped(Tensor x, std::int64_t axis) {
  if (axis + 1 == static_cast<std::int64_t>(x.shape().rank())) return x;
  std::vector<std::int64_t> order(x.shape().rank());
  std::iota(order.begin(), order.end(), 0);
  std::swap(order[static_cast<std::size_t>(axis)], order.back());
  return ops::transpose(x, order);
}
Tensor along_last(const FunctionCall& call, Tensor (*f)(Tensor)) {
  const Tensor x = is_floating(call.x().dtype()) ? call.x() : ops::to_float(call.x());
  const std::int64_t axis = call.axis(x);
  return swapped(f(swapped(x, axis)), axis);
}

Tensor place_of_largest(const FunctionCall& call, Tensor x) {
  const std::int64_t axis = call.axis(x);
  std::vector<std::int64_t> order;
  for (std::int64_t i = 0; i < static_cast<std::int64_t>(x.shape().rank()); ++i) {
    if (i != axis) order.push_back(i);
  }
  order.push_back(axis);
  const bool is_last = axis + 1 == static_cast<std::int64_t>(x.shape().rank());
  return ops::argmax(is_last ? x : ops::transpose(x, order));
}

}  // namespace

// STOKER_REDUCTION(name): a function of x, axes and keepdims.
#define STOKER_REDUCTION(name)                                                  \
  stoker::Value name(const stoker::Value& x, const Axes& axis, bool keepdims) { \
    return apply(#name, {x}, over_axes(axis, keepdims));                        \
  }                                                                             \
  std::vector<Tensor> build_##name([[maybe_unused]] const FunctionCall& call)

STOKER_REDUCTION(sum) { return {sum_of(call, same)}; }
STOKER_REDUCTION(mean) {
  const std::vector<std::int64_t> axes = call.axes();
  const float share = share_of(call.x().shape(), axes);
  return {reduce_spliced(ReduceKind::sum, call.x(), same, axes, keeps(call), share)};
}
STOKER_REDUCTION(max) { return {ops::reduce(ReduceKind::max, call.x(), call.axes(), keeps(call))}; }
STOKER_REDUCTION(min) { return {ops::reduce(ReduceKind::min, call.x(), call.axes(), keeps(call))}; }
STOKER_REDUCTION(var) { return {variance(call)}; }
STOKER_REDUCTION(std) {
  return {ops::map(variance(call), [](Expr v) { return graph::sqrt(v); })};
}
STOKER_REDUCTION(logsumexp) {
  const std::vector<std::int64_t> axes = call.axes();
  const ScaledPowers scaled = powers(ops::to_float(call.x()), axes);
  const Tensor result =
      ops::map(scaled.sum, scaled.largest, [](Expr sum, Expr m) { return graph::log(sum) + m; });
  return {keeps(call) ? result : without_axes(result, axes)};
}
// The gradient at 0 is 0 and not NaN, as the root's slope is infinite there.
STOKER_REDUCTION(norm) {
  return {ops::map(sum_of(call, graph::square), [](Expr s) {
    const Expr is_zero = graph::equal(s, 0.0f);
    return graph::select(is_zero, s, graph::sqrt(graph::select(is_zero, s + 1.0f, s)));
  })};
}
STOKER_REDUCTION(all) {
  return {ops::reduce(ReduceKind::min, truth_of(call.x()), call.axes(), keeps(call))};
}
STOKER_REDUCTION(any) {
  return {ops::reduce(ReduceKind::max, truth_of(call.x()), call.axes(), keeps(call))};
}
STOKER_REDUCTION(count_nonzero) {
  return {sum_of(call, [](Expr x) { return 1.0f - graph::equal(x, 0.0f); })};
}
#undef STOKER_REDUCTION

// STOKER_ALONG(name): a function of x along one axis.
#define STOKER_ALONG(name)                                        \
  stoker::Value name(const stoker::Value& x, std::int64_t axis) { \
    return apply(#name, {x}, Config::map({{"axis", axis}}));      \
  }                                                               \
  std::vector<Tensor> build_##name(const FunctionCall& call)

STOKER_ALONG(argmax) { return {place_of_largest(call, ops::to_float(call.x()))}; }
STOKER_ALONG(argmin) {
  return {place_of_largest(call, ops::map(call.x(), [](Expr x) { return -x; }))};
}
STOKER_ALONG(softmax) { return {along_last(call, ops::softmax)}; }
STOKER_ALONG(log_softmax) { return {along_last(call, ops::log_softmax)}; }
STOKER_ALONG(cumsum) {
  const Tensor x = call.x();
  const std::int64_t axis = call.axis(x);
  const std::int64_t extent = x.shape()[static_cast<std::size_t>(axis)];
  ops::require(extent > 0, call.graph, "expected a known extent of axis ", axis, ", received ",
               x.shape());
  // Column j sums the elements up to j.
  std::vector<float> upper(static_cast<std::size_t>(extent * extent), 0.0f);
  for (std::int64_t i = 0; i < extent; ++i) {
    for (std::int64_t j = i; j < extent; ++j)
      upper[static_cast<std::size_t>(i * extent + j)] = 1.0f;
  }
  const Tensor last = swapped(x, axis);
  const DType dtype = ops::common_dtype({&last, 1});
  const Tensor matrix = ops::cast(ops::constant(call.graph, {extent, extent}, upper), dtype);
  const Tensor row = last.shape().rank() == 1 ? ops::reshape(last, {1, extent}) : last;
  Tensor sums = ops::matmul(ops::cast(row, dtype), matrix);
  if (last.shape().rank() == 1) sums = ops::reshape(sums, {extent});
  return {swapped(sums, axis)};
}
#undef STOKER_ALONG

std::vector<Tensor> build_normalize(const FunctionCall& call) {
  const std::int64_t axis = call.axis(call.x());
  const auto epsilon = static_cast<float>(call.number("epsilon", 1e-12));
  const Tensor squares = ops::reduce(ReduceKind::sum, call.x(), graph::square, {axis}, true);
  return {ops::map(call.x(), squares, [epsilon](Expr x, Expr s) {
    return x * graph::rsqrt(graph::max(s, epsilon * epsilon));
  })};
}
stoker::Value normalize(const stoker::Value& x, std::int64_t axis, double epsilon) {
  return apply("normalize", {x}, Config::map({{"axis", axis}, {"epsilon", epsilon}}));
}

}  // namespace stoker::functions

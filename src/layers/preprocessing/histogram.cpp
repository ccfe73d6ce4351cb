#include "layers/preprocessing/histogram.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "ops/common.h"

namespace stoker::layers {

using graph::Expr;
using graph::Value;

Value counting(graph::Graph& graph, std::size_t rank, std::size_t axis, std::int64_t count,
               double step) {
  Shape shape;
  for (std::size_t i = 0; i < rank; ++i) shape.push_back(i == axis ? count : 1);
  std::vector<float> numbers;
  for (std::int64_t i = 0; i < count; ++i) {
    numbers.push_back(static_cast<float>(static_cast<double>(i) * step));
  }
  return ops::constant(graph, std::move(shape), std::move(numbers));
}

namespace {

// The sum over the numbers (.., n) of what `f` makes of each with each of 0, 1, .. bins - 1.
Value summed(Value numbers, std::int64_t bins, const std::function<Expr(Expr, Expr)>& f) {
  Shape shape = numbers.shape();
  const std::size_t axis = shape.rank() - 1;
  shape.push_back(1);
  return ops::reduce(ops::ReduceKind::sum, ops::reshape(numbers, shape),
                     counting(*numbers.graph, axis + 2, axis + 1, bins, 1.0), f,
                     {static_cast<std::int64_t>(axis)});
}

// Up to this number float32 counts.
constexpr std::int64_t kMostRows = 1 << 24;

// All tables are one, in which a number finds its row behind those of the images before.
Value picked_of_few(Value tables, Value numbers) {
  const Shape shape = tables.shape();
  const std::int64_t batch = shape[0], rows = shape[1];
  const Value row =
      ops::add(numbers, counting(*tables.graph, 2, 0, batch, static_cast<double>(rows)));
  return ops::embedding(ops::reshape(tables, {batch * rows, shape[2]}), row);
}

}  // namespace

Expr bin(Expr x, float last) {
  const Expr zero{x.expression, x.expression->constant(0.0f)};
  return select(less(0.0f, x), floor(min(x, last)), zero);
}

Value histogram(Value numbers, std::int64_t bins) {
  return summed(numbers, bins, [](Expr number, Expr bin) { return equal(number, bin); });
}
Value cumulated_histogram(Value numbers, std::int64_t bins) {
  return summed(numbers, bins, [](Expr number, Expr bin) { return less_equal(number, bin); });
}

Value running_totals(Value x) {
  Shape shape = x.shape();
  const std::size_t axis = shape.rank() - 1;
  const std::int64_t count = shape[axis];
  shape.push_back(1);
  const auto places = [&](std::size_t of) { return counting(*x.graph, axis + 2, of, count, 1.0); };
  return ops::reduce(ops::ReduceKind::sum, ops::reshape(x, shape), places(axis), places(axis + 1),
                     [](Expr value, Expr from, Expr to) { return value * less_equal(from, to); },
                     {static_cast<std::int64_t>(axis)});
}

Value picked(Value tables, Value numbers) {
  const std::int64_t batch = tables.shape()[0], rows = tables.shape()[1];
  const std::int64_t at_once = kMostRows / rows;
  if (batch == Shape::kUnknown || at_once == 0) {
    const Shape shape{batch, numbers.shape()[1], 1, 1};
    const Value of_rows = ops::reshape(tables, {batch, 1, rows, tables.shape()[2]});
    return ops::reduce(ops::ReduceKind::sum, ops::reshape(numbers, shape), of_rows,
                       counting(*tables.graph, 4, 2, rows, 1.0),
                       [](Expr number, Expr entry, Expr row) { return equal(number, row) * entry; },
                       {2});
  }
  std::vector<Value> parts;
  for (std::int64_t first = 0; first < batch; first += at_once) {
    const std::int64_t count = std::min(at_once, batch - first);
    const auto part = [&](Value x) { return count == batch ? x : ops::slice(x, 0, first, count); };
    parts.push_back(picked_of_few(part(tables), part(numbers)));
  }
  return parts.size() == 1 ? parts[0] : ops::concatenate(std::move(parts), 0);
}

Expr nearest(Expr x) {
  const Expr up = floor(x + 0.5f);
  const Expr is_half = equal(up - x, 0.5f);
  const Expr is_odd = equal(up - floor(up * 0.5f) * 2.0f, 1.0f);
  return up - is_half * is_odd;
}

}  // namespace stoker::layers

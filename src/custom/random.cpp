// Random numbers, and values without inputs.
#include <cmath>

#include "core/fields.h"
#include "custom/function.h"
#include "layers/regularization/noise.h"
#include "ops/common.h"
#include "stoker/error.h"

namespace stoker::functions {
namespace {

std::uint32_t new_stream(const char* what) {
  return layers::BuildScope::current(what).random_stream(what);
}

Tensor uniform_numbers(graph::Graph& graph, const Shape& shape, double low, double high) {
  graph::Expression expression;
  const Expr number = layers::uniform(&expression, new_stream("ops::random::uniform"));
  const auto range = static_cast<float>(high - low);
  expression.add_output((number * range + static_cast<float>(low)).id);
  return ops::pointwise(graph, shape, {}, std::move(expression))[0];
}

Tensor normal_numbers(graph::Graph& graph, const Shape& shape, double mean, double stddev) {
  graph::Expression expression;
  const std::uint32_t radius = new_stream("ops::random::normal");
  const std::uint32_t angle = new_stream("ops::random::normal");
  const Expr number = layers::standard_normal(&expression, radius, angle);
  expression.add_output((number * static_cast<float>(stddev) + static_cast<float>(mean)).id);
  return ops::pointwise(graph, shape, {}, std::move(expression))[0];
}

Config map_of(const char* first, double a, const char* second, double b) {
  return Config::map({{first, a}, {second, b}});
}
graph::Graph& current_graph(const char* what) { return layers::BuildScope::current(what).graph(); }

}  // namespace

std::vector<Tensor> build_normal_like(const FunctionCall& call) {
  return {ops::cast(normal_numbers(call.graph, call.x().shape(), call.number("mean", 0.0),
                                   call.number("stddev", 1.0)),
                    ops::common_dtype(call.inputs))};
}
std::vector<Tensor> build_uniform_like(const FunctionCall& call) {
  return {ops::cast(uniform_numbers(call.graph, call.x().shape(), call.number("minval", 0.0),
                                    call.number("maxval", 1.0)),
                    ops::common_dtype(call.inputs))};
}
std::vector<Tensor> build_dropout(const FunctionCall& call) {
  const double rate = call.number("rate", 0.0);
  if (rate == 0.0) return {call.x()};
  const std::uint32_t stream = new_stream("ops::random::dropout");
  return {ops::map(call.x(), [&](Expr x) {
    return x * layers::dropout_mask(layers::uniform(x.expression, stream), rate);
  })};
}

stoker::Value full(const Shape& shape, double fill_value) {
  return layers::value_of(
      ops::fill(current_graph("ops::full"), shape, static_cast<float>(fill_value)));
}
stoker::Value constant(const Shape& shape, const std::vector<float>& values) {
  if (!shape.is_known() || shape.elements() != static_cast<std::int64_t>(values.size())) {
    throw ShapeError(format("ops::constant: expected as many values as ", shape, " has, received ",
                            values.size()));
  }
  return layers::value_of(ops::constant(current_graph("ops::constant"), shape, values));
}
stoker::Value arange(std::int64_t stop) {
  if (stop < 1) throw ValueError(format("ops::arange: expected 1 or more, received ", stop));
  std::vector<float> values(static_cast<std::size_t>(stop));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  return layers::value_of(ops::constant(current_graph("ops::arange"), {stop}, std::move(values)));
}

namespace random {
namespace {

void require_range(const char* what, double low, double high) {
  if (std::isfinite(low) && std::isfinite(high) && low <= high) return;
  throw ValueError(format(what, ": expected minval <= maxval, received ", low, " and ", high));
}
void require_deviation(const char* what, double stddev) {
  if (std::isfinite(stddev) && stddev >= 0.0) return;
  throw ValueError(format(what, ": expected a stddev of 0 or more, received ", stddev));
}

}  // namespace

stoker::Value normal(const Shape& shape, double mean, double stddev) {
  require_deviation("ops::random::normal", stddev);
  return layers::value_of(
      normal_numbers(current_graph("ops::random::normal"), shape, mean, stddev));
}
stoker::Value uniform(const Shape& shape, double minval, double maxval) {
  require_range("ops::random::uniform", minval, maxval);
  return layers::value_of(
      uniform_numbers(current_graph("ops::random::uniform"), shape, minval, maxval));
}
stoker::Value normal_like(const stoker::Value& x, double mean, double stddev) {
  require_deviation("ops::random::normal_like", stddev);
  return apply("normal_like", {x}, map_of("mean", mean, "stddev", stddev));
}
stoker::Value uniform_like(const stoker::Value& x, double minval, double maxval) {
  require_range("ops::random::uniform_like", minval, maxval);
  return apply("uniform_like", {x}, map_of("minval", minval, "maxval", maxval));
}
stoker::Value dropout(const stoker::Value& x, double rate) {
  if (!(rate >= 0.0 && rate < 1.0)) {
    throw ValueError(format("ops::random::dropout: expected a rate in [0, 1), received ", rate));
  }
  return apply("dropout", {x}, Config::map({{"rate", rate}}));
}

}  // namespace random
}  // namespace stoker::functions

// Op layer_norm.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>

#include "backend/node_run.h"
#include "core/format.h"
#include "ops/cases.h"
#include "stoker/error.h"

namespace stoker {
namespace {

using cases::OpCase;
using cases::size;
using cases::Tensors;
using cases::uniform;
using cases::Values;
using graph::Graph;
using graph::Value;

struct Row {
  double mean = 0.0, inverse = 0.0;
};
Row row_of(const Values& x, std::size_t first, std::size_t columns, double epsilon) {
  Row row;
  const auto count = static_cast<double>(columns);
  for (std::size_t c = 0; c < columns; ++c) row.mean += x[first + c] / count;
  double variance = 0.0;
  for (std::size_t c = 0; c < columns; ++c) {
    variance += (x[first + c] - row.mean) * (x[first + c] - row.mean) / count;
  }
  row.inverse = 1.0 / std::sqrt(variance + epsilon);
  return row;
}

OpCase norm(Shape shape, float epsilon) {
  OpCase c;
  const std::size_t columns = size(shape.back());
  c.name = format(shape, " epsilon ", epsilon);
  c.inputs = {uniform(shape, -2.0, 3.0), uniform({shape.back()}), uniform({shape.back()})};
  c.build = [epsilon](Graph&, std::span<const Value> in) {
    return std::vector{ops::layer_norm(in[0], in[1], in[2], epsilon)};
  };
  c.reference = [=](const Tensors& in) -> Tensors {
    Values y(in[0].size());
    for (std::size_t first = 0; first < y.size(); first += columns) {
      const Row row = row_of(in[0], first, columns, static_cast<double>(epsilon));
      for (std::size_t i = 0; i < columns; ++i) {
        y[first + i] = (in[0][first + i] - row.mean) * row.inverse * in[1][i] + in[2][i];
      }
    }
    return {y};
  };
  c.terms = static_cast<double>(2 * columns + 8);
  c.magnitude = 4.0;
  c.gradient_terms = static_cast<double>(shape.elements() / shape.back() + 4 * shape.back() + 64);
  c.gradient_magnitude = 4.0 / std::sqrt(static_cast<double>(epsilon) + 0.1) +
                         static_cast<double>(shape.elements() / shape.back());
  return c;
}

TEST(LayerNorm, agrees_with_the_reference_on_every_instruction_set) {
  for (const std::string& isa : test::isas()) {
    SCOPED_TRACE(isa);
    setenv("STOKER_CPU_ISA", isa.c_str(), 1);
    for (const auto& c : cases::layer_norm_cases()) {
      test::check_forward(c);
      test::check_gradients(c);
    }
    unsetenv("STOKER_CPU_ISA");
  }
}

TEST(LayerNorm, names_what_does_not_fit) {
  Graph graph;
  const Value x = graph.leaf("x", {DType::float32, {2, 3}}, {});
  const Value weight = graph.leaf("w", {DType::float32, {4}}, {});
  EXPECT_THROW(ops::layer_norm(x, weight, weight, 1e-3f), ShapeError);
  EXPECT_THROW(ops::layer_norm(weight, weight, weight, 1e-3f), ShapeError);
}

}  // namespace

std::vector<OpCase> cases::layer_norm_cases() {
  return {norm({3, 5}, 1e-3f),   norm({2, 3, 16}, 1e-3f), norm({7, 33}, 0.1f),
          norm({4, 128}, 1e-3f), norm({2, 5000}, 1e-3f),  norm({3, 2}, 1.0f)};
}

// Its cases are layer_norm's gradients, and this one.
std::vector<OpCase> cases::layer_norm_backward_cases() {
  OpCase c;
  const Shape shape{3, 6};
  c.name = "alone";
  c.inputs = {uniform(shape), uniform({6}), uniform({3}), uniform({3}, 0.5, 2.0), uniform(shape)};
  c.build = [shape](Graph& graph, std::span<const Value> in) {
    return graph.append(ops::op(ops::OpIndex::layer_norm_backward), {in.begin(), in.end()},
                        std::make_shared<const ops::LayerNormAttributes>(),
                        {{DType::float32, shape}});
  };
  c.reference = [](const Tensors& in) -> Tensors {
    Values dx(in[0].size());
    for (std::size_t row = 0; row < 3; ++row) {
      double sum = 0.0, product = 0.0;
      const auto standard = [&](std::size_t i) {
        return (in[0][row * 6 + i] - in[2][row]) * in[3][row];
      };
      for (std::size_t i = 0; i < 6; ++i) {
        sum += in[4][row * 6 + i] * in[1][i] / 6.0;
        product += in[4][row * 6 + i] * in[1][i] * standard(i) / 6.0;
      }
      for (std::size_t i = 0; i < 6; ++i) {
        dx[row * 6 + i] =
            (in[4][row * 6 + i] * in[1][i] - sum - standard(i) * product) * in[3][row];
      }
    }
    return {dx};
  };
  c.differentiable_outputs = 0;
  c.magnitude = 16.0;
  return {c};
}

}  // namespace stoker

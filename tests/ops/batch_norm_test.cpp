// Ops batch_norm and batch_norm_backward.
#include <gtest/gtest.h>

#include <cmath>

#include "core/format.h"
#include "ops/cases.h"
#include "stoker/error.h"
#include "support/message.h"

namespace stoker {
namespace {

using cases::OpCase;
using cases::size;
using cases::Tensors;
using cases::uniform;
using cases::Values;
using graph::Graph;
using graph::Value;

constexpr float kEpsilon = 1e-3f;

struct Statistics {
  Values mean, variance;
};

Statistics statistics(const Values& x, std::size_t channels) {
  const std::size_t rows = x.size() / channels;
  Statistics s{Values(channels), Values(channels)};
  for (std::size_t i = 0; i < x.size(); ++i) s.mean[i % channels] += x[i];
  for (double& mean : s.mean) mean /= static_cast<double>(rows);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double off = x[i] - s.mean[i % channels];
    s.variance[i % channels] += off * off;
  }
  for (double& variance : s.variance) variance /= static_cast<double>(rows);
  return s;
}

Tensors normalise(const Tensors& in) {
  const std::size_t channels = in[1].size();
  const Statistics s = statistics(in[0], channels);
  Values y(in[0].size());
  for (std::size_t i = 0; i < y.size(); ++i) {
    const std::size_t c = i % channels;
    y[i] = (in[0][i] - s.mean[c]) / std::sqrt(s.variance[c] + kEpsilon) * in[1][c] + in[2][c];
  }
  return {y, s.mean, s.variance};
}

OpCase forward(const char* name, Shape shape, double low = -2.0, double high = 3.0) {
  OpCase c;
  c.name = name;
  c.inputs = {uniform(shape, low, high), uniform({shape.back()}, 0.5, 1.5),
              uniform({shape.back()})};
  c.build = [](Graph&, std::span<const Value> in) {
    const auto result = ops::batch_norm(in[0], in[1], in[2], kEpsilon);
    return std::vector{result.y, result.mean, result.variance};
  };
  c.reference = normalise;
  const auto rows = static_cast<double>(shape.elements() / shape.back());
  c.terms = rows + 4.0;
  c.gradient_terms = 2.0 * rows + 8.0;
  // x over its standard deviation, at most.
  const double deviation = (high - low) / std::sqrt(12.0);
  c.magnitude = 2.0 * std::max(std::abs(low), std::abs(high)) / std::min(deviation, 1.0);
  c.gradient_magnitude = *c.magnitude / std::min(deviation, 1.0) * std::sqrt(rows);
  if (shape.elements() > 5'000) c.samples = 4;
  c.sums_by_thread = true;
  return c;
}

// relu(batch norm + x), as in a residual block, or without one of both.
OpCase with_tail(const char* name, Shape shape, bool adds, bool bends) {
  OpCase c = forward(name, shape);
  c.build = [adds, bends](Graph&, std::span<const Value> in) {
    Value y = ops::batch_norm(in[0], in[1], in[2], kEpsilon).y;
    if (adds) y = ops::add(y, in[0]);
    if (bends) y = ops::map(y, [](graph::Expr v) { return graph::relu(v); });
    return std::vector{y};
  };
  c.reference = [adds, bends](const Tensors& in) -> Tensors {
    Values y = normalise(in)[0];
    for (std::size_t i = 0; i < y.size(); ++i) {
      if (adds) y[i] += in[0][i];
      if (bends) y[i] = std::max(y[i], 0.0);
    }
    return {y};
  };
  return c;
}

// Two products read relu(batch norm + x): the norm's gradient is the sum of theirs where relu
// passed, and x's has a part beside it.
OpCase read_by_two(std::int64_t rows, std::int64_t channels) {
  OpCase c = forward("read by two products", {rows, channels});
  c.inputs.push_back(uniform({channels, 2}));
  c.inputs.push_back(uniform({channels, 3}));
  c.build = [](Graph&, std::span<const Value> in) {
    const Value y = ops::batch_norm(in[0], in[1], in[2], kEpsilon).y;
    const Value z = ops::map(y, in[0], [](graph::Expr a, graph::Expr b) { return relu(a + b); });
    return std::vector{ops::matmul(z, in[3]), ops::matmul(z, in[4])};
  };
  c.reference = [rows = size(rows), channels = size(channels)](const Tensors& in) -> Tensors {
    Values z = normalise(in)[0];
    for (std::size_t i = 0; i < z.size(); ++i) z[i] = std::max(z[i] + in[0][i], 0.0);
    Tensors out;
    for (const std::size_t k : {3, 4}) {
      const std::size_t columns = in[k].size() / channels;
      Values& y = out.emplace_back(rows * columns);
      for (std::size_t i = 0; i < y.size(); ++i) {
        for (std::size_t j = 0; j < channels; ++j) {
          y[i] += z[i / columns * channels + j] * in[k][j * columns + i % columns];
        }
      }
    }
    return out;
  };
  c.differentiable_outputs = 2;
  c.terms += static_cast<double>(channels);
  c.magnitude = *c.magnitude * static_cast<double>(channels);
  c.gradient_magnitude = *c.gradient_magnitude * static_cast<double>(channels);
  return c;
}

// Ioffe, Szegedy: "Batch Normalization", 2015, section 3.
Tensors backward_reference(const Tensors& in) {
  const Values &x = in[0], &gamma = in[1], &mean = in[2], &variance = in[3], &dy = in[4];
  const std::size_t channels = gamma.size();
  const double rows = static_cast<double>(x.size() / channels);
  Values dx(x.size()), dgamma(channels), dbeta(channels);
  const auto normal = [&](std::size_t i) {
    const std::size_t c = i % channels;
    return (x[i] - mean[c]) / std::sqrt(variance[c] + kEpsilon);
  };
  for (std::size_t i = 0; i < x.size(); ++i) {
    dgamma[i % channels] += dy[i] * normal(i);
    dbeta[i % channels] += dy[i];
  }
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::size_t c = i % channels;
    dx[i] = gamma[c] / std::sqrt(variance[c] + kEpsilon) *
            (dy[i] - dbeta[c] / rows - normal(i) * dgamma[c] / rows);
  }
  return {dx, dgamma, dbeta};
}

OpCase backward(const char* name, Shape shape) {
  OpCase c;
  c.name = name;
  const Shape vector{shape.back()};
  c.inputs = {uniform(shape), uniform(vector, 0.5, 1.5), uniform(vector, -0.2, 0.2),
              uniform(vector, 0.3, 1.0), uniform(shape)};
  c.build = [shape, vector](Graph& graph, std::span<const Value> in) {
    auto attributes = std::make_shared<ops::BatchNormAttributes>();
    attributes->epsilon = kEpsilon;
    return graph.append(
        ops::op(ops::OpIndex::batch_norm_backward), {in.begin(), in.end()}, attributes,
        {{DType::float32, shape}, {DType::float32, vector}, {DType::float32, vector}});
  };
  c.reference = backward_reference;
  const auto rows = static_cast<double>(shape.elements() / shape.back());
  c.terms = rows + 8.0;
  c.magnitude = 4.0 * std::sqrt(rows);
  c.differentiable_outputs = 0;
  c.sums_by_thread = true;
  return c;
}

}  // namespace

std::vector<OpCase> cases::batch_norm_cases() {
  return {forward("rows", {6, 3}),
          forward("one channel", {16, 1}),
          forward("images", {4, 5, 3, 8}),
          forward("odd channels", {3, 2, 2, 17}),
          forward("many channels", {5, 100}),
          forward("rank 3", {4, 6, 5}),
          forward("a layer of a CNN", {16, 13, 13, 16}),
          forward("far from zero", {40, 3}, 1000.0, 1001.0),
          read_by_two(12, 8),
          with_tail("with relu", {4, 5, 3, 8}, false, true),
          with_tail("with a shortcut", {4, 5, 3, 8}, true, false),
          with_tail("with a shortcut and relu", {4, 5, 3, 8}, true, true),
          with_tail("of odd channels with a shortcut and relu", {3, 2, 2, 17}, true, true)};
}

std::vector<OpCase> cases::batch_norm_backward_cases() {
  return {backward("rows", {6, 3}), backward("images", {4, 5, 3, 8}),
          backward("odd channels", {3, 2, 2, 17}), backward("a layer of a CNN", {16, 13, 13, 16})};
}

namespace {

TEST(BatchNorm, of_one_row_is_beta) {
  const OpCase c = forward("", {1, 5});
  const Tensors inputs = test::draw_inputs(c);
  const auto run = test::run_case(c, inputs, {.gradients = true});
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_NEAR(run.outputs[0][i], inputs[2][i], 1e-5);
    EXPECT_NEAR(run.outputs[2][i], 0.0, 1e-12);
    EXPECT_NEAR(run.gradients[0][i], 0.0, 1e-4);
    EXPECT_NE(run.gradients[2][i], 0.0);
  }
}

TEST(BatchNorm, has_no_gradient_through_its_statistics) {
  OpCase c = forward("", {4, 2});
  const auto all = c.build;
  c.build = [all](Graph& graph, std::span<const Value> in) {
    const auto outputs = all(graph, in);
    return std::vector{outputs[1]};
  };
  const auto run = test::run_case(c, {.gradients = true});
  for (const Values& gradient : run.gradients) EXPECT_TRUE(gradient.empty());
}

TEST(BatchNorm, names_the_shapes_that_do_not_fit) {
  Graph graph;
  const auto leaf = [&](Shape shape) { return graph.leaf("x", {DType::float32, shape}, {}); };
  EXPECT_EQ(test::message_of<ShapeError>([&] {
              ops::batch_norm(leaf({8, 3}), leaf({3}), leaf({4}), kEpsilon);
            }),
            "batch_norm: expected gamma and beta of (3,), received (3,) and (4,)");
}

}  // namespace
}  // namespace stoker

// Op attention: against plain loops over queries and keys, with every mask, and without the weights
// in memory.
#include <gtest/gtest.h>

#include <algorithm>
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
using ops::AttentionAttributes;
using ops::BlindQuery;

struct Sizes {
  std::int64_t batch = 2, queries = 5, keys = 7, heads = 2, key_heads = 2, key_dim = 3,
               value_dim = 4;
};

struct Masks {
  Values query{}, key{};
};

// Whether a query sees a key.
bool sees(const Sizes& s, const AttentionAttributes& a, const Masks& masks, std::int64_t sample,
          std::int64_t query, std::int64_t key) {
  const std::int64_t distance = query - key;
  if (a.causal && distance < 0) return false;
  if (a.window > 0 && std::abs(distance) >= a.window) return false;
  if (!masks.query.empty() && masks.query[size(sample * s.queries + query)] == 0.0) return false;
  return masks.key.empty() || masks.key[size(sample * s.keys + key)] != 0.0;
}

Values reference(const Sizes& s, const AttentionAttributes& a, const Masks& masks,
                 const Tensors& in) {
  Values y(size(s.batch * s.queries * s.heads * s.value_dim));
  const std::int64_t group = s.heads / s.key_heads;
  for (std::int64_t b = 0; b < s.batch; ++b) {
    for (std::int64_t h = 0; h < s.heads; ++h) {
      for (std::int64_t t = 0; t < s.queries; ++t) {
        const auto key_row = [&](std::int64_t k) {
          return (b * s.keys + k) * s.key_heads + h / group;
        };
        Values weights(size(s.keys));
        double sum = 0.0, most = -1e300;
        Values scores(size(s.keys));
        for (std::int64_t k = 0; k < s.keys; ++k) {
          for (std::int64_t d = 0; d < s.key_dim; ++d) {
            scores[size(k)] += in[0][size(((b * s.queries + t) * s.heads + h) * s.key_dim + d)] *
                               in[1][size(key_row(k) * s.key_dim + d)];
          }
          scores[size(k)] *= static_cast<double>(a.scale);
          if (sees(s, a, masks, b, t, k)) most = std::max(most, scores[size(k)]);
        }
        for (std::int64_t k = 0; k < s.keys; ++k) {
          if (sees(s, a, masks, b, t, k))
            sum += weights[size(k)] = std::exp(scores[size(k)] - most);
        }
        for (double& weight : weights) {
          if (sum > 0.0) weight /= sum;
          if (sum == 0.0 && a.blind != BlindQuery::zeros)
            weight = 1.0 / static_cast<double>(s.keys);
        }
        for (std::int64_t k = 0; k < s.keys; ++k) {
          for (std::int64_t d = 0; d < s.value_dim; ++d) {
            y[size(((b * s.queries + t) * s.heads + h) * s.value_dim + d)] +=
                weights[size(k)] * in[2][size(key_row(k) * s.value_dim + d)];
          }
        }
      }
    }
  }
  return y;
}

OpCase attention(const char* name, Sizes s, AttentionAttributes attributes, Masks masks = {}) {
  OpCase c;
  c.name = format(name, " ", s.batch, "x", s.queries, "x", s.keys, "x", s.heads, "/", s.key_heads,
                  " of ", s.key_dim, " and ", s.value_dim);
  c.inputs = {uniform({s.batch, s.queries, s.heads, s.key_dim}),
              uniform({s.batch, s.keys, s.key_heads, s.key_dim}),
              uniform({s.batch, s.keys, s.key_heads, s.value_dim})};
  const auto add_mask = [&](const Values& mask, std::int64_t steps) {
    if (mask.empty()) return;
    c.inputs.push_back(cases::given({s.batch, steps}, mask));
    c.inputs.back().differentiable = false;
  };
  add_mask(masks.query, s.queries);
  add_mask(masks.key, s.keys);
  c.build = [=](Graph&, std::span<const Value> in) {
    std::size_t next = 3;
    const Value query_mask = masks.query.empty() ? Value{} : in[next++];
    const Value key_mask = masks.key.empty() ? Value{} : in[next++];
    return std::vector{ops::attention(in[0], in[1], in[2], query_mask, key_mask, attributes)};
  };
  c.reference = [=](const Tensors& in) -> Tensors { return {reference(s, attributes, masks, in)}; };
  c.terms = static_cast<double>(s.keys + s.key_dim + 8);
  c.gradient_terms = static_cast<double>(4 * std::max(s.keys, s.queries) + 2 * s.key_dim + 64);
  c.magnitude = 1.0;
  c.gradient_magnitude = static_cast<double>(s.heads / s.key_heads) *
                         std::max(4.0, std::sqrt(static_cast<double>(s.queries * s.value_dim)));
  if (s.queries * s.keys > 2000) c.samples = 3;
  return c;
}

AttentionAttributes with(float scale, bool causal = false, std::int64_t window = 0,
                         BlindQuery blind = BlindQuery::zeros) {
  AttentionAttributes attributes;
  attributes.scale = scale;
  attributes.causal = causal;
  attributes.window = window;
  attributes.blind = blind;
  return attributes;
}

// Hides steps from the end of each sample on, and those of the last sample wholly.
Values padding(std::int64_t batch, std::int64_t steps) {
  Values mask(size(batch * steps), 1.0);
  for (std::int64_t b = 0; b < batch; ++b) {
    for (std::int64_t t = 0; t < steps; ++t) {
      if (b + 1 == batch || t > steps * (b + 1) / (batch + 1)) mask[size(b * steps + t)] = 0.0;
    }
  }
  return mask;
}

TEST(Attention, agrees_with_the_reference_on_every_instruction_set) {
  for (const std::string& isa : test::isas()) {
    SCOPED_TRACE(isa);
    setenv("STOKER_CPU_ISA", isa.c_str(), 1);
    for (const auto& c : cases::attention_cases()) {
      test::check_forward(c);
      test::check_gradients(c);
    }
    unsetenv("STOKER_CPU_ISA");
  }
}

TEST(Attention, names_what_does_not_fit) {
  Graph graph;
  const auto leaf = [&](Shape shape) {
    return graph.leaf("x", {DType::float32, std::move(shape)}, {});
  };
  const auto build = [&](Shape q, Shape k, Shape v) {
    return ops::attention(leaf(q), leaf(k), leaf(v), {}, {}, {});
  };
  EXPECT_NO_THROW(build({2, 5, 4, 3}, {2, 6, 2, 3}, {2, 6, 2, 8}));
  EXPECT_THROW(build({2, 5, 4, 3}, {2, 6, 2, 4}, {2, 6, 2, 8}), ShapeError);
  EXPECT_THROW(build({2, 5, 4, 3}, {2, 6, 3, 3}, {2, 6, 3, 8}), ShapeError);
  EXPECT_THROW(build({2, 5, 4, 3}, {2, 6, 2, 3}, {2, 7, 2, 8}), ShapeError);
}

// The mean of weights that dropout keeps or drops is what there is without it, and the gradient has
// the same weights: with equal keys, dvalue is the sum of the weights that a value was given.
TEST(Attention, drops_weights_alike_on_both_ways) {
  constexpr std::int64_t kQueries = 70, kKeys = 90;
  AttentionAttributes attributes = with(1.0f);
  attributes.dropout = 0.25f;
  attributes.stream = 5;
  OpCase c;
  c.inputs = {cases::given({1, kQueries, 1, 1}, Values(kQueries, 0.0)),
              cases::given({1, kKeys, 1, 1}, Values(kKeys, 0.0)),
              cases::given({1, kKeys, 1, 1}, Values(kKeys, 1.0))};
  c.build = [=](Graph&, std::span<const Value> in) {
    const Value y = ops::attention(in[0], in[1], in[2], {}, {}, attributes);
    return std::vector{ops::reduce_sum_all(y)};
  };
  test::RunOptions options;
  options.gradients = true;
  options.scalars.seed = 11;
  options.scalars.step = 3;
  const test::OpRun run = test::run_case(c, options);
  EXPECT_NEAR(run.outputs[0][0], kQueries, 3.0);
  double sum = 0.0, slope = 0.0;
  for (const double weight : run.gradients[2]) sum += weight;
  // The loss is the sum times a fixed weight.
  slope = sum / run.outputs[0][0];
  const test::OpRun again = test::run_case(c, options);
  EXPECT_EQ(again.outputs, run.outputs);
  options.scalars.step = 4;
  const test::OpRun next = test::run_case(c, options);
  EXPECT_NE(next.outputs, run.outputs);
  double next_sum = 0.0;
  for (const double weight : next.gradients[2]) next_sum += weight;
  EXPECT_NEAR(next_sum / next.outputs[0][0], slope, 1e-5);
}

}  // namespace

std::vector<OpCase> cases::attention_cases() {
  const Sizes small;
  const Sizes grouped{.heads = 6, .key_heads = 2};
  const Sizes blocks{.batch = 1, .queries = 70, .keys = 131, .key_dim = 20, .value_dim = 33};
  const Masks masks{padding(2, 5), padding(2, 7)};
  const Masks wide{padding(1, 70), padding(1, 131)};
  Values holes(131, 1.0);
  for (std::size_t i = 0; i < holes.size(); i += 3) holes[i] = 0.0;
  return {
      attention("plain", small, with(0.5f)),
      attention("one query", {.batch = 3, .queries = 1, .keys = 1}, with(1.0f)),
      attention("grouped", grouped, with(0.7f)),
      attention("causal", small, with(1.0f, true)),
      attention("window", small, with(1.0f, false, 2)),
      attention("causal window", {.queries = 9, .keys = 9}, with(1.0f, true, 3)),
      attention("masks", small, with(1.0f), masks),
      attention("masks, mean", small, with(1.0f, false, 0, BlindQuery::mean), masks),
      attention("key mask, causal, mean", small, with(1.0f, true, 0, BlindQuery::mean),
                {{}, padding(2, 7)}),
      attention("blocks", blocks, with(0.2f)),
      attention("blocks, causal", {.batch = 1, .queries = 131, .keys = 131}, with(1.0f, true)),
      attention("blocks, window", {.batch = 1, .queries = 200, .keys = 150}, with(1.0f, false, 20)),
      attention("blocks, holes", blocks, with(0.3f), {{}, holes}),
      attention("blocks, masks, mean", blocks, with(0.3f, true, 0, BlindQuery::mean), wide),
      attention("vectors", {.queries = 64, .keys = 64, .key_dim = 32, .value_dim = 64},
                with(0.17f)),
  };
}

// Its cases are attention's gradients, and this one, in which scores have a gradient although their
// query sees no key.
std::vector<OpCase> cases::attention_backward_cases() {
  const Sizes s;
  OpCase c = attention("a blind mean has a gradient", s,
                       with(1.0f, false, 0, BlindQuery::mean_with_gradient),
                       {{}, Values(size(s.batch * s.keys), 1.0)});
  c.build = [build = c.build](Graph& graph, std::span<const Value> in) {
    const Value y = build(graph, in)[0];
    const graph::Node node = graph.nodes().back();
    std::vector<Value> inputs{in[0], in[1], in[2], y, y, graph.value(node.outputs[1]), in[3]};
    return graph.append(ops::op(ops::OpIndex::attention_backward), inputs, node.attributes,
                        {{DType::float32, in[0].shape()},
                         {DType::float32, in[1].shape()},
                         {DType::float32, in[2].shape()}});
  };
  c.reference = [s](const Tensors& in) -> Tensors {
    // d (y^2 / 2), with y as its own slope.
    const AttentionAttributes plain = with(1.0f);
    const auto loss = [&](const Tensors& at) {
      double sum = 0.0;
      for (const double y : reference(s, plain, {}, at)) sum += y * y / 2.0;
      return sum;
    };
    Tensors gradients(3);
    for (std::size_t i = 0; i < 3; ++i) {
      for (std::size_t j = 0; j < in[i].size(); ++j) {
        Tensors above(in.begin(), in.begin() + 3), below = above;
        above[i][j] += 1e-5;
        below[i][j] -= 1e-5;
        gradients[i].push_back((loss(above) - loss(below)) / 2e-5);
      }
    }
    return gradients;
  };
  c.differentiable_outputs = 0;
  c.terms = 64.0;
  c.magnitude = 8.0;
  return {c};
}

}  // namespace stoker

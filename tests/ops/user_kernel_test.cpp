// Op user_kernel: kernels that a program brings, here two of this test.
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "core/format.h"
#include "ops/cases.h"
#include "stoker/error.h"
#include "support/contains.h"
#include "support/message.h"

namespace stoker {
namespace {

using cases::OpCase;
using cases::size;
using cases::Tensors;
using cases::uniform;
using graph::Graph;
using graph::Value;
using Inputs = std::span<const std::span<const float>>;
using Outputs = std::span<const std::span<float>>;

// dx of z = 2 x y, which gets dz and y.
std::shared_ptr<const ops::UserKernel> doubled_product() {
  auto kernel = std::make_shared<ops::UserKernel>();
  kernel->name = "doubled_product";
  kernel->cpu = [](Inputs inputs, Outputs outputs, std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      outputs[0][size(i)] = 2.0f * inputs[0][size(i)] * inputs[1][size(i)];
    }
  };
  kernel->cuda =
      "__device__ void doubled_product(const float* const* in, float* const* out, long long i) {\n"
      "  out[0][i] = 2.0f * in[0][i] * in[1][i];\n"
      "}\n";
  return kernel;
}

// Of each row of x and y: x in reverse order, times y, and the sum of that.
std::shared_ptr<const ops::UserKernel> reversed(std::int64_t columns) {
  auto kernel = std::make_shared<ops::UserKernel>();
  kernel->name = "reversed";
  kernel->cpu = [columns](Inputs inputs, Outputs outputs, std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      float sum = 0.0f;
      for (std::int64_t i = 0; i < columns; ++i) {
        const float value =
            inputs[0][size((row + 1) * columns - 1 - i)] * inputs[1][size(row * columns + i)];
        outputs[0][size(row * columns + i)] = value;
        sum += value;
      }
      outputs[1][size(row)] = sum;
    }
  };
  kernel->cuda = format(
      "__device__ void reversed(const float* const* in, float* const* out, long long row) {\n"
      "  const long long n = ",
      columns,
      ";\n  float sum = 0.0f;\n"
      "  for (long long i = 0; i < n; ++i) {\n"
      "    const float value = in[0][(row + 1) * n - 1 - i] * in[1][row * n + i];\n"
      "    out[0][row * n + i] = value;\n    sum += value;\n  }\n"
      "  out[1][row] = sum;  // an @ in a comment\n}\n");
  // Written with another kernel of the program's own for one input, and by ops for the other.
  kernel->gradient = [columns](std::span<const Value> inputs, std::span<const Value>,
                               std::span<const Value> dy) {
    const std::int64_t rows = inputs[0].shape()[0];
    const Value sums = ops::broadcast_to(ops::reshape(dy[1], {rows, 1}), inputs[0].shape());
    const Value both = ops::add(dy[0], sums);
    std::vector<Value> parts = ops::split(inputs[0], 1, columns);
    std::ranges::reverse(parts);
    const Value dy_of_y = ops::multiply(both, ops::concatenate(parts, 1));
    const Value halved = ops::map(both, [](graph::Expr x) { return x * 0.5f; });
    std::vector<Value> turned =
        ops::split(ops::user_kernel(doubled_product(), {halved, inputs[1]}, {inputs[1].shape()},
                                    inputs[1].shape().elements())[0],
                   1, columns);
    std::ranges::reverse(turned);
    return std::vector<Value>{ops::concatenate(turned, 1), dy_of_y};
  };
  return kernel;
}

OpCase rows(std::int64_t count, std::int64_t columns) {
  OpCase c;
  c.name = format("reversed rows of ", Shape{count, columns});
  c.inputs = {uniform({count, columns}), uniform({count, columns})};
  c.build = [=](Graph&, std::span<const Value> in) {
    return ops::user_kernel(reversed(columns), {in[0], in[1]}, {{count, columns}, {count}}, count);
  };
  c.reference = [=](const Tensors& in) {
    Tensors out(2);
    for (std::size_t row = 0; row < size(count); ++row) {
      double sum = 0.0;
      for (std::size_t i = 0; i < size(columns); ++i) {
        const double value =
            in[0][(row + 1) * size(columns) - 1 - i] * in[1][row * size(columns) + i];
        out[0].push_back(value);
        sum += value;
      }
      out[1].push_back(sum);
    }
    return out;
  };
  c.terms = static_cast<double>(columns);
  c.gradient_terms = 4.0;
  return c;
}

}  // namespace

std::vector<OpCase> cases::user_kernel_cases() { return {rows(3, 4), rows(700, 5), rows(1, 3)}; }

namespace {

std::string refusal(const std::function<void(Graph&, Value)>& f) {
  Graph graph;
  const Value x = graph.leaf("x", {DType::float32, {2, 5}}, {});
  return test::message_of<Error>([&] { f(graph, x); });
}

TEST(UserKernel, without_a_gradient_or_with_a_wrong_one_is_refused) {
  const auto with = [](const auto& gradient) {
    return [gradient](Graph& graph, Value x) {
      auto kernel = std::make_shared<ops::UserKernel>(*doubled_product());
      kernel->gradient = gradient;
      const Value y = ops::user_kernel(kernel, {x, x}, {x.shape()}, 10)[0];
      const graph::NodeId id = graph.info(y.id).node;
      graph.node(id).op->gradient(graph, id, {&y, 1});
    };
  };
  using Rule = decltype(ops::UserKernel::gradient);
  EXPECT_TRUE(test::contains(refusal(with(Rule{})), "kernel \"doubled_product\": has no gradient"));
  EXPECT_TRUE(test::contains(
      refusal(with(Rule([](auto inputs, auto, auto) { return std::vector<Value>{inputs[0]}; }))),
      "to give 2 values, one for each input, received 1"));
  EXPECT_TRUE(test::contains(refusal(with(Rule([](auto inputs, auto, auto) {
                               const Value flat = ops::reshape(inputs[0], {10});
                               return std::vector<Value>{flat, flat};
                             }))),
                             "a gradient of shape (2, 5) for input 0, received (10,)"));
}

}  // namespace
}  // namespace stoker

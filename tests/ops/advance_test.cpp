// Op advance: what stands after it sees the new counters, what stands before it the old ones.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "ops/cases.h"
#include "plan/scalar_offsets.h"
#include "stoker/error.h"
#include "support/message.h"

namespace stoker {
namespace {

using cases::OpCase;
using cases::Tensors;
using cases::Values;
using graph::Expr;
using graph::Graph;
using graph::Value;

Value iterations(Graph& graph) {
  return graph.leaf("iterations", {DType::int32, {}},
                    {graph::Space::scalar, 0, static_cast<std::int64_t>(plan::kIterationsOffset)});
}
Value plus_half(Value x) {
  return ops::map(x, [](Expr v) { return v + 0.5f; });
}

OpCase counting() {
  OpCase c;
  c.name = "counters before and after";
  c.inputs = {cases::uniform({})};
  c.build = [](Graph& graph, std::span<const Value> in) {
    const Value counter = iterations(graph);
    const Value before = plus_half(counter);
    ops::advance(in[0]);
    // A chain from before the write to behind it.
    return std::vector{ops::add(before, in[0]), ops::add(plus_half(counter), in[0])};
  };
  c.reference = [](const Tensors& in) -> Tensors { return {{in[0][0] + 0.5}, {in[0][0] + 1.5}}; };
  c.magnitude = 1.0;
  c.differentiable_outputs = 2;
  return c;
}

}  // namespace

std::vector<OpCase> cases::advance_cases() { return {counting()}; }

namespace {

TEST(Advance, counts_steps_and_iterations) {
  const auto run = test::run_case(counting(), {.scalars = {.iterations = 4, .step = 9}});
  EXPECT_EQ(run.scalars.iterations, 5);
  EXPECT_EQ(run.scalars.step, 10U);
  EXPECT_EQ(run.scalars.error, plan::StepError::none);
}

TEST(Advance, refuses_a_loss_that_is_not_finite) {
  for (const double loss : {std::nan(""), std::numeric_limits<double>::infinity()}) {
    const auto run = test::run_case(counting(), Tensors{{loss}}, {});
    EXPECT_EQ(run.scalars.error, plan::StepError::non_finite_loss);
    EXPECT_EQ(run.scalars.step, 0U);
    EXPECT_EQ(run.scalars.iterations, 0);
  }
}

TEST(Advance, wants_a_scalar) {
  Graph graph;
  const Value x = graph.leaf("x", {DType::float32, {2}}, {});
  EXPECT_EQ(test::message_of<ShapeError>([&] { ops::advance(x); }),
            "expected a loss of shape (), received (2,)");
}

}  // namespace
}  // namespace stoker

// Every case of every op through every check of the harness.
#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>

#include <string>

#include "ops/cases.h"

namespace stoker {
namespace cases {

std::span<const Entry> all_cases() {
  static constexpr Entry kEntries[] = {
#define STOKER_OP(name) {#name, &name##_cases},
#include "ops/ops.def"
#undef STOKER_OP
  };
  return kEntries;
}

}  // namespace cases

namespace {

class EveryCase : public testing::TestWithParam<cases::Entry> {};

TEST_P(EveryCase, agrees_with_the_reference) {
  for (const auto& c : GetParam().cases()) test::check_forward(c);
}

TEST_P(EveryCase, has_the_gradients_of_finite_differences) {
  for (const auto& c : GetParam().cases()) test::check_gradients(c);
}

TEST_P(EveryCase, gives_the_same_fused_and_unfused) {
  for (const auto& c : GetParam().cases()) test::check_unfused(c);
}

TEST_P(EveryCase, does_not_depend_on_the_number_of_threads) {
  for (const auto& c : GetParam().cases()) test::check_threads(c);
}

// The checks find what they are there for: an error of one part in a hundred thousand.
cases::OpCase sum_of_squares(double error) {
  cases::OpCase c;
  c.inputs = {cases::uniform({100}, 0.5, 1.0)};
  c.build = [](graph::Graph&, std::span<const graph::Value> in) {
    return std::vector{ops::reduce_sum(ops::multiply(in[0], in[0]), {0})};
  };
  c.reference = [error](const cases::Tensors& in) -> cases::Tensors {
    double sum = 0.0;
    for (const double x : in[0]) sum += x * x;
    return {{sum * (1.0 + error)}};
  };
  c.terms = 101.0;
  c.gradient_terms = 2.0;
  return c;
}

TEST(Harness, finds_a_small_error_of_a_result_and_of_a_gradient) {
  test::check_forward(sum_of_squares(0.0));
  test::check_gradients(sum_of_squares(0.0));
  EXPECT_NONFATAL_FAILURE(test::check_forward(sum_of_squares(1e-5)), "elements are off");
  EXPECT_NONFATAL_FAILURE(test::check_gradients(sum_of_squares(1e-5)), "elements are off");
}

INSTANTIATE_TEST_SUITE_P(Ops, EveryCase, testing::ValuesIn(cases::all_cases()),
                         [](const auto& info) { return std::string(info.param.op); });

}  // namespace
}  // namespace stoker

// Every case of every op through every check of the harness.
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

INSTANTIATE_TEST_SUITE_P(Ops, EveryCase, testing::ValuesIn(cases::all_cases()),
                         [](const auto& info) { return std::string(info.param.op); });

}  // namespace
}  // namespace stoker

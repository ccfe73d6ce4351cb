// Losses against Keras: values for every reduction and their gradients, with and without sample
// weights and masks.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "golden/program.h"
#include "losses/loss.h"
#include "plan/autodiff.h"
#include "support/golden.h"

namespace stoker::test {
namespace {

using graph::Value;

void check(const GoldenCase& golden, const std::string& reduction, bool weighted,
           const Variant& variant, GoldenComparison& comparison) {
  const Config with_reduction = Config(golden.config()).set("reduction", reduction);
  const Loss loss = loss_from_config(golden.object().set("config", with_reduction));
  const std::string ending = (weighted ? "_weighted/" : "/") + reduction;
  Program program;
  const auto field = [&](const char* name) { return program.input(name, golden.tensor(name)); };
  const Value y_true = field("y_true");
  const Value y_pred = field("y_pred");
  const Value weight = weighted ? field("sample_weight") : Value{};
  const Value mask = golden.has("mask") ? field("mask") : Value{};
  const Value value = losses::compute(*loss.base(), y_true, y_pred, weight, mask);
  std::vector<Value> results{value};
  const bool has_gradient = comparison.expects("dy_pred" + ending);
  if (has_gradient) {
    results.push_back(plan::differentiate(program.graph(), value, {&y_pred, 1})[0]);
    ASSERT_TRUE(results.back()) << "there is no gradient for " << reduction;
  }
  const auto contents = program.run(variant, results);
  comparison.expect("value" + ending, contents[0]);
  if (has_gradient) comparison.expect("dy_pred" + ending, contents[1]);
}

class GoldenLoss : public ::testing::TestWithParam<std::string> {};

TEST_P(GoldenLoss, ComputesWhatKerasDoes) {
  const GoldenCase golden = load_golden("losses", GetParam());
  for (const Variant& variant : kVariants) {
    SCOPED_TRACE(variant.name);
    GoldenComparison comparison(golden);
    for (const Config& reduction : golden.info["reductions"].list_items()) {
      check(golden, reduction.string(), false, variant, comparison);
      check(golden, reduction.string(), true, variant, comparison);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Keras, GoldenLoss, ::testing::ValuesIn(golden_names("losses")),
                         golden_test_name);

}  // namespace
}  // namespace stoker::test

// Metrics against Keras: the result after each of three batches, the last of them short.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "golden/program.h"
#include "metrics/metric.h"
#include "support/golden.h"

namespace stoker::test {
namespace {

using graph::Expr;
using graph::Home;
using graph::Space;
using graph::Value;

constexpr int kBatches = 3;

// What one step does: adds to the totals in the device's memory.
void accumulate(Program& program, const std::vector<Value>& additions) {
  std::int64_t total = 0;
  for (const Value& addition : additions) {
    const Home home{Space::metric, 0, total * static_cast<std::int64_t>(sizeof(float))};
    const Value before = program.graph().leaf("total", {DType::float32, addition.shape()}, home);
    graph::Expression sum;
    sum.add_output((Expr{&sum, sum.input(0)} + Expr{&sum, sum.input(1)}).id);
    ops::pointwise_into({before, addition}, std::move(sum), {home}, {.guard = ops::Guard::error});
    total += addition.shape().elements();
  }
}

// The results after each batch, all of them where there are several.
std::vector<float> results(const GoldenCase& golden, const Metric& given, bool weighted,
                           const Variant& variant) {
  auto metric =
      given.base()->resolve(golden.tensor("y_true0").shape(), golden.tensor("y_pred0").shape());
  if (metric == nullptr) metric = given.base();
  std::vector<float> totals(static_cast<std::size_t>(metric->totals()));
  std::vector<float> results;
  for (int batch = 0; batch < kBatches; ++batch) {
    Program program(totals);
    const auto field = [&](const std::string& name) {
      const std::string numbered = name + std::to_string(batch);
      return program.input(numbered, golden.tensor(numbered));
    };
    const Value y_true = field("y_true");
    const Value y_pred = field("y_pred");
    const Value weight = weighted ? field("sample_weight") : Value{};
    accumulate(program, metric->build(y_true, y_pred, weight));
    program.run(variant, {});
    const std::vector<double> found(totals.begin(), totals.end());
    for (std::size_t i = 0; i < metric->results(); ++i) {
      results.push_back(static_cast<float>(metric->result_at(found, i)));
    }
  }
  return results;
}

class GoldenMetric : public ::testing::TestWithParam<std::string> {};

TEST_P(GoldenMetric, ComputesWhatKerasDoes) {
  const GoldenCase golden = load_golden("metrics", GetParam());
  const Metric metric = metric_from_config(golden.object());
  for (const Variant& variant : kVariants) {
    SCOPED_TRACE(variant.name);
    GoldenComparison comparison(golden);
    comparison.expect("result", results(golden, metric, false, variant));
    comparison.expect("result_weighted", results(golden, metric, true, variant));
  }
}

INSTANTIATE_TEST_SUITE_P(Keras, GoldenMetric, ::testing::ValuesIn(golden_names("metrics")),
                         golden_test_name);

}  // namespace
}  // namespace stoker::test

// Learning-rate schedules: the formula on the host, and in the steps of a training.
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <algorithm>
#include <vector>

#include "support/golden.h"

namespace stoker {
namespace {

using test::golden_names;
using test::golden_test_name;
using test::GoldenCase;
using test::GoldenComparison;
using test::load_golden;

class GoldenSchedule : public testing::TestWithParam<std::string> {
 protected:
  const GoldenCase golden = load_golden("schedules", GetParam());
  const LearningRate rate = learning_rate_from_config(golden.object());
  std::span<const std::int32_t> steps = golden.tensor("step").data<std::int32_t>();
};

TEST_P(GoldenSchedule, on_the_host) {
  std::vector<float> rates;
  for (const std::int32_t step : steps) rates.push_back(static_cast<float>(rate.at(step)));
  GoldenComparison(golden).expect("learning_rate", rates);
}

// A weight whose gradient is always 1 tells the rate of each step.
TEST_P(GoldenSchedule, in_the_steps_of_a_training) {
  Sequential model({Input({1}), Dense(1, {.use_bias = false})}, {.device = Device::simulated()});
  model.compile({.optimizer = SGD({.learning_rate = rate}), .loss = "mean_absolute_error"});
  const Tensor x = Tensor::from<float>({1, 1}, {1.0f});
  const Tensor y = Tensor::from<float>({1, 1}, {-1e6f});
  const Tensor zero = Tensor::from<float>({1, 1}, {0.0f});
  const auto expected = golden.tensor("learning_rate").data<float>();
  for (std::size_t i = 0; i < steps.size() && steps[i] == static_cast<std::int32_t>(i); ++i) {
    EXPECT_NEAR(model.learning_rate(), expected[i], 1e-5 * expected[i] + 2e-7) << "step " << i;
    model.set_weights({zero});
    model.train_on_batch(x, y);
    EXPECT_NEAR(-model.get_weights()[0].data<float>()[0], expected[i], 1e-5 * expected[i] + 2e-7)
        << "step " << i;
  }
  EXPECT_THROW(model.set_learning_rate(0.1), ValueError);
}

TEST_P(GoldenSchedule, is_made_again_from_its_configuration) {
  const Config config = rate.config();
  EXPECT_EQ(learning_rate_from_config(config).config(), config);
  const Config optimizer = Adam({.learning_rate = rate}).config();
  EXPECT_EQ(optimizer_from_config(optimizer).config(), optimizer);
}

INSTANTIATE_TEST_SUITE_P(Keras, GoldenSchedule, testing::ValuesIn(golden_names("schedules")),
                         golden_test_name);

}  // namespace
}  // namespace stoker

// What schedules refuse. Their values are compared with Keras in tests/golden/schedules_test.cpp.
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <limits>

#include "support/contains.h"
#include "support/message.h"

namespace stoker {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

TEST(Schedules, refuse_what_gives_no_rate) {
  EXPECT_THROW(ExponentialDecay(-0.1, 10, 0.5), ValueError);
  EXPECT_THROW(ExponentialDecay(0.1, 0, 0.5), ValueError);
  EXPECT_THROW(ExponentialDecay(0.1, 10, kNaN), ValueError);
  EXPECT_THROW(InverseTimeDecay(kNaN, 10, 0.5), ValueError);
  EXPECT_THROW(PolynomialDecay(0.1, 10, {.end_learning_rate = -1.0}), ValueError);
  EXPECT_THROW(CosineDecay(0.1, 10, {.alpha = 2.0}), ValueError);
  EXPECT_THROW(CosineDecay(0.1, 10, {.warmup_target = 1.0, .warmup_steps = -1}), ValueError);
  EXPECT_THROW(CosineDecayRestarts(0.1, 10, {.t_mul = 0.5}), ValueError);
  EXPECT_THROW(PiecewiseConstantDecay({1, 2}, {0.1, 0.2}), ValueError);
  EXPECT_THROW(PiecewiseConstantDecay({2, 2}, {0.1, 0.2, 0.3}), ValueError);
  EXPECT_THROW(PiecewiseConstantDecay({}, {0.1}), ValueError);
}

TEST(Schedules, a_number_is_a_rate_too) {
  EXPECT_EQ(LearningRate(0.5).at(100), 0.5);
  EXPECT_EQ(LearningRate(1).config(), Config(1.0));
  EXPECT_EQ(learning_rate_from_config(Config(0.25)).at(3), 0.25);
  EXPECT_TRUE(
      test::contains(test::message_of<ValueError>([] {
                       learning_rate_from_config(
                           Config::map({{"class_name", "CosinDecay"}, {"config", Config::map()}}));
                     }),
                     "there is no schedule class \"CosinDecay\"; did you mean \"CosineDecay\"?"));
}

// Adam's bias correction counts the step itself, and the schedule the updates before it.
TEST(Schedules, of_one_rate_train_as_that_rate_does) {
  const Tensor x = Tensor::uniform({8, 4}), y = Tensor::uniform({8, 1});
  const auto trained = [&](const LearningRate& rate) {
    Sequential model({Input({4}), Dense(1)}, {.device = Device::cpu()});
    model.compile({.optimizer = AdamW({.learning_rate = rate}), .loss = "mse"});
    for (int i = 0; i < 20; ++i) model.train_on_batch(x, y);
    return model.get_weights()[0];
  };
  const Tensor number = trained(0.01);
  const Tensor schedule = trained(PiecewiseConstantDecay({1000}, {0.01, 0.5}));
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_FLOAT_EQ(number.data<float>()[i], schedule.data<float>()[i]);
  }
}

TEST(Schedules, go_with_the_model_into_json_and_back) {
  Sequential model({Input({4}), Dense(1)}, {.device = Device::cpu()});
  model.compile(
      {.optimizer = SGD({.learning_rate = ExponentialDecay(0.1, 10, 0.5)}), .loss = "mse"});
  model.train_on_batch(Tensor::uniform({8, 4}), Tensor::uniform({8, 1}));
  const Model again = Model::from_json(model.to_json());
  EXPECT_EQ(again.to_json(), model.to_json());
  EXPECT_FLOAT_EQ(static_cast<float>(again.learning_rate()), 0.1f);
}

}  // namespace
}  // namespace stoker

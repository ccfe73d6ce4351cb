// Updates that overflow: no weight is ever stored that is not finite, and the error names the step
// and the weight.
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <cmath>
#include <limits>

#include "support/contains.h"
#include "support/message.h"

namespace stoker {
namespace {

void expect_finite(const Model& model) {
  for (const Tensor& weight : model.get_weights()) {
    for (const float value : weight.data<float>()) ASSERT_TRUE(std::isfinite(value));
  }
}

std::vector<Device> devices() { return {Device::cpu(), Device::simulated()}; }

// The gradient of the one weight w = 1 is 2 (w x - y) x = 2, in every step whose label is right
// for the weight so far; from the third step on, the update overflows.
TEST(Overflow, TheErrorNamesTheStepAndTheWeight) {
  for (const Device& device : devices()) {
    Sequential model({Input({1}), Dense(2, {.use_bias = false, .name = "last"})},
                     {.device = device});
    model.compile({.optimizer = SGD({.learning_rate = 1e30}), .loss = "mse"});
    // Gradients of 0 for two steps, then of 1e10 for the second column alone.
    model.set_weights({Tensor::from<float>({1, 2}, {0.5f, 0.25f})});
    auto batches =
        generator<float, float>({.x = {1, 1}, .y = {1, 2}},
                                [](BatchContext& batch, std::span<float> x, std::span<float> y) {
                                  x[0] = 1.0f;
                                  y[0] = 0.5f;
                                  y[1] = batch.index < 2 ? 0.25f : 1e10f;
                                });
    const std::string message = test::message_of<NumericError>(
        [&] { model.fit(batches, {.steps_per_epoch = 6, .verbose = 0}); });
    EXPECT_TRUE(test::contains(message, "last/kernel")) << message;
    EXPECT_TRUE(test::contains(message, "(0, 1)")) << message;
    EXPECT_TRUE(test::contains(message, "step 3 of epoch 1")) << message;
    expect_finite(model);
    EXPECT_EQ(model.get_weights()[0].data<float>()[1], 0.25f);
    EXPECT_EQ(model.iterations(), 3);
    // The model can be used, and the error is not told twice.
    model.set_learning_rate(0.1);
    auto harmless = generator<float, float>(
        {.x = {1, 1}, .y = {1, 2}}, [](BatchContext&, std::span<float> x, std::span<float> y) {
          x[0] = 1.0f;
          y[0] = y[1] = 0.5f;
        });
    EXPECT_TRUE(
        std::isfinite(model.fit(harmless, {.steps_per_epoch = 3, .verbose = 0})["loss"].back()));
  }
}

TEST(Overflow, OfAnOptimizersSlotIsOneToo) {
  Sequential model({Input({1}), Dense(1, {.use_bias = false})});
  model.compile({.optimizer = Adam(), .loss = "mae"});
  // The gradient is x = 1e25; its square is infinite in float32, the step would be 0.
  const std::string message = test::message_of<NumericError>([&] {
    model.train_on_batch(Tensor::from<float>({1, 1}, {1e25f}),
                         Tensor::from<float>({1, 1}, {-1.0f}));
  });
  EXPECT_TRUE(test::contains(message, "dense/kernel")) << message;
  expect_finite(model);
}

// What is normalised is finite, the loss too; the variance is not.
TEST(Overflow, OfMovingStatisticsIsOneToo) {
  for (const Device& device : devices()) {
    Sequential model({Input({2}), BatchNormalization()}, {.device = device});
    model.compile({.optimizer = SGD(), .loss = "mse"});
    const std::string message = test::message_of<NumericError>([&] {
      model.train_on_batch(Tensor::from<float>({2, 2}, {1.0f, 1e25f, 2.0f, -1e25f}),
                           Tensor::from<float>({2, 2}, {0.0f, 0.0f, 0.0f, 0.0f}));
    });
    EXPECT_TRUE(test::contains(message, "batch_normalization/moving_variance")) << message;
    expect_finite(model);
  }
}

// 0 / sqrt(0) is NaN in the padding between weights, where there is nothing to update.
TEST(Overflow, PaddingOverflowsNothing) {
  for (Optimizer optimizer :
       {Adam({.epsilon = 0.0}), RMSprop({.epsilon = 0.0}), Adam({.epsilon = 1e-42})}) {
    Sequential model({Input({3}), Dense(5), Dense(2)});
    model.compile({.optimizer = optimizer, .loss = "mse"});
    const Logs logs = model.train_on_batch(Tensor::from<float>({1, 3}, {1.0f, 2.0f, 3.0f}),
                                           Tensor::from<float>({1, 2}, {5.0f, -7.0f}));
    EXPECT_TRUE(std::isfinite(logs["loss"]));
    expect_finite(model);
  }
}

TEST(Overflow, OfACopyInFloat16IsOne) {
  Sequential model({Input({1}), Dense(1, {.use_bias = false})}, {.dtype_policy = "mixed_float16"});
  model.compile({.optimizer = SGD({.learning_rate = 1e5}), .loss = "mae"});
  model.set_weights({Tensor::from<float>({1, 1}, {1.0f})});
  const std::string message = test::message_of<NumericError>([&] {
    model.train_on_batch(Tensor::from<float>({1, 1}, {1.0f}), Tensor::from<float>({1, 1}, {-3.0f}));
  });
  EXPECT_TRUE(test::contains(message, "dense/kernel")) << message;
  EXPECT_EQ(model.get_weights()[0].data<float>()[0], 1.0f);
}

TEST(Overflow, OptionsThatOverflowEveryUpdateAreRefused) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THROW(Adam({.beta_1 = 1.0}), ValueError);
  EXPECT_THROW(Adam({.beta_1 = 1.0 - 1e-12}), ValueError);  // 1 as a float32
  EXPECT_THROW(AdamW({.beta_2 = 1.0}), ValueError);
  EXPECT_THROW(RMSprop({.rho = 1.0}), ValueError);
  EXPECT_THROW(SGD({.learning_rate = 1e300}), ValueError);
  EXPECT_THROW(SGD({.momentum = nan}), ValueError);
  EXPECT_THROW(SGD({.clipnorm = HUGE_VAL}), ValueError);
  Sequential model({Input({1}), Dense(1)});
  EXPECT_THROW(model.set_learning_rate(0.1), ValueError);  // not compiled
  model.compile({.optimizer = SGD(), .loss = "mse"});
  for (const double wrong : {nan, -1.0, 1e300, HUGE_VAL}) {
    const std::string message =
        test::message_of<ValueError>([&] { model.set_learning_rate(wrong); });
    EXPECT_TRUE(test::contains(message, "learning_rate")) << message;
  }
  EXPECT_FLOAT_EQ(static_cast<float>(model.learning_rate()), 0.01f);
}

}  // namespace
}  // namespace stoker

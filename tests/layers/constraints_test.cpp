// Constraints and the regularizer of orthogonality. What Keras computes with them is compared by
// golden trajectories; here is what belongs to us: names, configurations, errors, precisions.
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "support/contains.h"
#include "support/message.h"

namespace stoker {
namespace {

using test::contains;
using test::message_of;

// The norm of each column of a matrix.
std::vector<double> norms_of_columns(const Tensor& matrix) {
  const auto data = matrix.data<float>();
  const auto columns = static_cast<std::size_t>(matrix.shape()[1]);
  std::vector<double> norms(columns, 0.0);
  for (std::size_t i = 0; i < data.size(); ++i) {
    norms[i % columns] += static_cast<double>(data[i]) * static_cast<double>(data[i]);
  }
  for (double& norm : norms) norm = std::sqrt(norm);
  return norms;
}

Tensor trained_kernel(const Constraint& constraint, const std::string& policy, Device device,
                      Optimizer optimizer = SGD({.learning_rate = 0.5})) {
  Sequential model({Input({6}), Dense(4, {.kernel_constraint = constraint, .dtype = policy})},
                   {.seed = 3, .device = device});
  model.compile({.optimizer = std::move(optimizer), .loss = "mse"});
  const Tensor x = Tensor::uniform({16, 6}, -1.0f, 1.0f, 1);
  const Tensor y = Tensor::uniform({16, 4}, -9.0f, 9.0f, 2);
  for (int step = 0; step < 5; ++step) model.train_on_batch(x, y);
  return model.get_weights()[0];
}

TEST(Constraints, HoldAfterEachUpdateInEveryPrecisionAndOnEveryDevice) {
  for (const Device& device : {Device::cpu(), Device::simulated()}) {
    for (const char* policy : {"float32", "mixed_bfloat16"}) {
      for (const double norm : norms_of_columns(trained_kernel(MaxNorm(0.5), policy, device))) {
        EXPECT_LT(norm, 0.5 + 1e-5) << policy;
      }
      for (const double norm : norms_of_columns(trained_kernel(UnitNorm(-2), policy, device))) {
        EXPECT_NEAR(norm, 1.0, 1e-5) << policy;
      }
      const Tensor positive = trained_kernel("non_neg", policy, device);
      for (const float value : positive.data<float>()) EXPECT_GE(value, 0.0f) << policy;
      const Constraint between = MinMaxNorm({.min_value = 2.0, .max_value = 3.0});
      for (const double norm : norms_of_columns(trained_kernel(between, policy, device))) {
        EXPECT_GT(norm, 2.0 - 1e-5) << policy;
        EXPECT_LT(norm, 3.0 + 1e-5) << policy;
      }
    }
  }
}

TEST(Constraints, HoldWithEveryOtherPartOfAnUpdate) {
  for (const Optimizer& optimizer :
       {Adam({.learning_rate = 0.25, .use_ema = true, .ema_overwrite_frequency = 2}),
        Adam({.learning_rate = 0.25, .gradient_accumulation_steps = 2}),
        LossScaleOptimizer(SGD({.learning_rate = 0.25, .clipnorm = 1.0}))}) {
    const Tensor kernel = trained_kernel(MaxNorm(0.25), "float32", Device::cpu(), optimizer);
    for (const double norm : norms_of_columns(kernel)) EXPECT_LT(norm, 0.25 + 1e-5);
  }
}

// The 16-bit copy that the next step reads is the constrained weight's.
TEST(Constraints, AreSeenByTheNextStep) {
  Sequential model({Input({2}), Dense(1, {.use_bias = false,
                                          .kernel_initializer = "ones",
                                          .kernel_constraint = MaxNorm(0.0),
                                          .dtype = "mixed_bfloat16"})});
  model.compile({.optimizer = "sgd", .loss = "mae"});
  const Tensor x = Tensor::from<float>({1, 2}, {1.0f, 2.0f});
  const Tensor y = Tensor::from<float>({1, 1}, {0.0f});
  EXPECT_EQ(model.train_on_batch(x, y).loss(), 3.0);
  EXPECT_EQ(model.train_on_batch(x, y).loss(), 0.0);
}

TEST(Constraints, OfAFrozenLayerAreNotApplied) {
  Layer frozen = Dense(3, {.kernel_initializer = "ones", .kernel_constraint = MaxNorm(0.5)});
  frozen.set_trainable(false);
  Sequential model({Input({2}), frozen, Dense(1)});
  model.compile({.optimizer = "sgd", .loss = "mse"});
  model.train_on_batch(Tensor::uniform({4, 2}), Tensor::uniform({4, 1}));
  const std::vector<Tensor> weights = model.get_weights();
  for (const float value : weights[0].data<float>()) EXPECT_EQ(value, 1.0f);
}

TEST(Constraints, AreMadeAgainFromTheirConfigurations) {
  for (const Constraint& constraint :
       {MaxNorm(3.0, {0, 1, 2}), NonNeg(), UnitNorm(1),
        MinMaxNorm({.min_value = 0.5, .max_value = 2.0, .rate = 0.5, .axis = {0, 1}})}) {
    const Config config = constraint.config();
    EXPECT_EQ(constraint_from_config(config).config(), config);
  }
  EXPECT_TRUE(Constraint().config().is_null());
  EXPECT_FALSE(constraint_from_config(Config()));
  EXPECT_EQ(Constraint("MaxNorm").config(), Constraint("max_norm").config());
  EXPECT_EQ(Constraint("max_norm").max_value, 2.0);
  for (const Regularizer& regularizer :
       {OrthogonalRegularizer(), OrthogonalRegularizer(0.5, "columns")}) {
    const Config config = regularizer.config();
    EXPECT_EQ(regularizer_from_config(config).config(), config);
  }
}

TEST(Constraints, RefuseWhatMakesNoSense) {
  EXPECT_TRUE(contains(message_of<ValueError>([&] { Constraint("maxnorm"); }), "max_norm"));
  EXPECT_TRUE(contains(message_of<ValueError>([&] { MaxNorm(-1.0); }), "expected a max_value"));
  EXPECT_TRUE(contains(message_of<ValueError>([&] { MinMaxNorm({.min_value = 2.0}); }),
                       "expected a max_value"));
  EXPECT_TRUE(
      contains(message_of<ValueError>([&] { MinMaxNorm({.rate = 1.5}); }), "expected a rate"));
  EXPECT_TRUE(contains(message_of<ValueError>([&] { OrthogonalRegularizer(0.1, "row"); }),
                       "rows or columns"));
  const Value x = Input({4});
  EXPECT_TRUE(
      contains(message_of<ShapeError>(
                   [&] { Dense(3, {.kernel_constraint = UnitNorm(2), .name = "wide"})(x); }),
               "Dense \"wide\", weight kernel: expected axes of the weight's shape (4, 3) in its "
               "constraint, received 2"));
  EXPECT_TRUE(contains(message_of<ShapeError>([&] {
                         Dense(3, {.kernel_constraint = UnitNorm({0, -2})})(x);
                       }),
                       "twice"));
  EXPECT_TRUE(contains(
      message_of<ShapeError>([&] { Dense(3, {.bias_regularizer = "orthogonal_regularizer"})(x); }),
      "weight bias: OrthogonalRegularizer: expected a matrix"));
  EXPECT_TRUE(contains(message_of<ShapeError>([&] {
                         Dense(1, {.kernel_regularizer = OrthogonalRegularizer(1.0, "columns")})(x);
                       }),
                       "(4, 1)"));
}

}  // namespace
}  // namespace stoker

// What evaluations and epochs say of themselves: totals over many steps, missing and skipped
// batches, labels of any type.
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <cmath>
#include <iostream>
#include <limits>
#include <sstream>

#include "support/contains.h"
#include "support/message.h"

namespace stoker {
namespace {

// What a call says on standard error.
template <class F>
std::string said_by(F&& f) {
  std::ostringstream said;
  std::streambuf* const before = std::cerr.rdbuf(said.rdbuf());
  try {
    f();
  } catch (...) {
    std::cerr.rdbuf(before);
    throw;
  }
  std::cerr.rdbuf(before);
  return said.str();
}

Sequential identity() {
  Sequential model({Input({1}), Activation("linear")});
  model.compile({.loss = "mae", .metrics = {BinaryAccuracy()}});
  return model;
}

// A batch of a large weight, and thousands of small ones behind it.
TEST(Totals, DoNotDriftInALongEpoch) {
  for (const Device& device : {Device::cpu(), Device::simulated()}) {
    Sequential model({Input({1}), Activation("linear")}, {.device = device});
    model.compile({.loss = "mae", .metrics = {BinaryAccuracy()}, .weighted_metrics = {"mae"}});

    auto batches = generator<float, float, float>(
        {.x = {1, 1}, .y = {1, 1}, .sample_weight = {1}},
        [](BatchContext& batch, std::span<float> x, std::span<float> y, std::span<float> w) {
          x[0] = batch.index == 0 ? 1.0f : 1.25f;
          y[0] = 0.0f;
          w[0] = batch.index == 0 ? 0x1.0p25f : 1.0f;
        });
    constexpr std::int64_t kSteps = 4001;
    const Logs logs = model.evaluate(batches, {.steps = kSteps, .verbose = 0});
    const double sum = 0x1.0p25 + 1.25 * (kSteps - 1), weights = 0x1.0p25 + (kSteps - 1);
    EXPECT_DOUBLE_EQ(logs["mae"], sum / weights);
  }
}

// Five batches of two rows, then the end.
auto five_batches() {
  return generator<float, float>(
      {.x = {2, 1}, .y = {2, 1}},
      [](BatchContext& batch, std::span<float> x, std::span<float> y) -> std::int64_t {
        for (float& value : x) value = 0.0f;
        for (float& value : y) value = 1.0f;
        return batch.index < 5 ? 2 : 0;
      });
}

TEST(Totals, AnEvaluationOfFewerBatchesThanAskedForSaysSo) {
  Sequential model = identity();
  const auto said = said_by([&] { model.evaluate(five_batches(), {.steps = 7, .verbose = 0}); });
  EXPECT_TRUE(test::contains(said, "ran out of data after 5 batches of the 7"));
  EXPECT_EQ(said_by([&] { model.evaluate(five_batches(), {.steps = 5, .verbose = 0}); }), "");
  EXPECT_EQ(said_by([&] { model.evaluate(five_batches(), {.verbose = 0}); }), "");
}

TEST(Totals, AnEvaluationOfFewerRowsOfTensorsSaysSo) {
  Sequential model = identity();
  const Tensor x = Tensor::uniform({10, 1});
  const auto said =
      said_by([&] { model.evaluate(x, x, {.steps = 7, .verbose = 0, .batch_size = 2}); });
  EXPECT_TRUE(test::contains(said, "ran out of data after 5 batches of the 7"));
}

TEST(Totals, APredictionOfFewerBatchesThanAskedForSaysSo) {
  Sequential model = identity();
  const auto said =
      said_by([&] { EXPECT_EQ(model.predict(five_batches(), {.steps = 7}).shape()[0], 10); });
  EXPECT_TRUE(test::contains(said, "ran out of data after 5 batches of the 7"));
}

TEST(Totals, AValidationOfFewerBatchesThanAskedForSaysSo) {
  Sequential model({Input({1}), Dense(1)});
  model.compile({.optimizer = SGD(), .loss = "mse"});
  const auto said = said_by([&] {
    model.fit(five_batches(),
              {.verbose = 0, .validation_generator = five_batches(), .validation_steps = 6});
  });
  EXPECT_TRUE(test::contains(said, "ran out of data after 5 batches of the 6"));
}

// A source that knows of no end and ends all the same, without steps_per_epoch.
TEST(Totals, ASourceThatRanOutIsToldOfWithoutStepsToo) {
  Sequential model({Input({1}), Dense(1)});
  model.compile({.optimizer = SGD(), .loss = "mse"});
  auto once = generator<float, float>(
      {.x = {2, 1}, .y = {2, 1}},
      [](BatchContext& batch, std::span<float> x, std::span<float> y) -> std::int64_t {
        for (float& value : x) value = 0.0f;
        for (float& value : y) value = 1.0f;
        return batch.epoch == 0 && batch.index < 3 ? 2 : 0;
      });
  History history;
  const auto said = said_by([&] { history = model.fit(once, {.epochs = 3, .verbose = 0}); });
  EXPECT_TRUE(test::contains(said, "ran out of data after 3 batches"));
  EXPECT_TRUE(test::contains(said, "of 3"));
  EXPECT_EQ(said.find("asks for 0"), std::string::npos);
  EXPECT_EQ(history["loss"].size(), 1U);
}

auto only_nans() {
  return generator<float, float>({.x = {2, 1}, .y = {2, 1}},
                                 [](BatchContext&, std::span<float> x, std::span<float> y) {
                                   for (float& value : x) value = std::nanf("");
                                   for (float& value : y) value = 1.0f;
                                 });
}

TEST(Totals, ThereIsNoMeanOfNoBatch) {
  Sequential model = identity();
  Logs logs;
  const auto said = said_by([&] {
    logs = model.evaluate(only_nans(), {.steps = 3, .verbose = 0, .nan_policy = NanPolicy::skip});
  });
  EXPECT_TRUE(std::isnan(logs["loss"]));
  EXPECT_TRUE(std::isnan(logs["binary_accuracy"]));
  EXPECT_TRUE(test::contains(said, "no batch was left"));
}

TEST(Totals, AnEpochOfSkippedBatchesIsAnError) {
  Sequential model({Input({1}), Dense(1)});
  model.compile({.optimizer = SGD(), .loss = "mse"});
  const std::string message = test::message_of<DataError>([&] {
    model.fit(only_nans(), {.steps_per_epoch = 3, .verbose = 0, .nan_policy = NanPolicy::skip});
  });
  EXPECT_TRUE(test::contains(message, "every batch of epoch 1"));
}

TEST(Totals, APredictionLeavesOutNoRows) {
  Sequential model = identity();
  EXPECT_THROW(model.predict(only_nans(), {.steps = 3, .nan_policy = NanPolicy::skip}), ValueError);
}

TEST(Totals, ClassWeightsTakeLabelsOfEveryTypeThatTheLossTakes) {
  const Tensor x = Tensor::uniform({6, 2}, -1, 1, 5);
  const auto losses = [&](const Tensor& y, bool from_tensors) {
    Sequential model({Input({2}), Dense(3, {.activation = "softmax"})}, {.seed = 3});
    model.compile({.optimizer = SGD(), .loss = "sparse_categorical_crossentropy"});
    const FitOptions options{.epochs = 2,
                             .verbose = 0,
                             .batch_size = 4,
                             .shuffle = false,
                             .class_weight = {{0, 5.0}, {2, 0.5}}};
    return from_tensors ? model.fit(x, y, options)["loss"]
                        : model.fit(array_source(x, y, {.batch_size = 4}), options)["loss"];
  };
  const auto expected = losses(Tensor::from<std::int32_t>({6}, {0, 1, 2, 2, 1, 0}), true);
  for (const bool from_tensors : {true, false}) {
    EXPECT_EQ(losses(Tensor::from<std::uint8_t>({6}, {0, 1, 2, 2, 1, 0}), from_tensors), expected);
    EXPECT_EQ(losses(Tensor::from<std::int32_t>({6}, {0, 1, 2, 2, 1, 0}), from_tensors), expected);
  }
  EXPECT_EQ(losses(Tensor::from<float>({6}, {0, 1, 2, 2, 1, 0}), true), expected);
}

TEST(Totals, ClassWeightsAreFinite) {
  Sequential model({Input({1}), Dense(1)});
  model.compile({.optimizer = SGD(), .loss = "mse"});
  const Tensor x = Tensor::uniform({4, 1});
  EXPECT_THROW(model.fit(x, x, {.verbose = 0, .class_weight = {{0, std::nan("")}}}), ValueError);
}

TEST(Totals, AThresholdOfLogitsIsZero) {
  Sequential model({Input({1}), Activation("linear")});
  model.compile({.loss = BinaryCrossentropy({.from_logits = true}),
                 .metrics = {BinaryAccuracy({.threshold = 0.0})}});
  const Logs logs = model.test_on_batch(Tensor::from<float>({4, 1}, {-1, 0.2f, 0.7f, 0}),
                                        Tensor::from<float>({4, 1}, {0, 1, 1, 0}));
  EXPECT_EQ(logs["binary_accuracy"], 1.0);
}

// ---- Random numbers of fits ----

// The first random number of each batch that a fit asks for.
class Draws {
 public:
  History fit(Model& model, FitOptions options) {
    auto batches = generator<float, float>(
        {.x = {2, 1}, .y = {2, 1}},
        [this](BatchContext& batch, std::span<float> x, std::span<float> y) {
          batch.random.fill_uniform(x);
          drawn.push_back(x[0]);
          for (float& value : y) value = 1.0f;
        });
    options.steps_per_epoch = 3;
    options.verbose = 0;
    return model.fit(batches, options);
  }
  std::vector<float> drawn;
};

Sequential linear() {
  Sequential model({Input({1}), Dense(1)});
  model.compile({.optimizer = SGD(), .loss = "mse"});
  return model;
}

TEST(Fits, FromEpochZeroDrawOtherNumbersEachTime) {
  Sequential model = linear();
  Draws draws;
  for (int i = 0; i < 3; ++i) draws.fit(model, {.epochs = 1});
  ASSERT_EQ(draws.drawn.size(), 9U);
  for (std::size_t i = 0; i < 9; ++i) {
    for (std::size_t k = 0; k < i; ++k) EXPECT_NE(draws.drawn[i], draws.drawn[k]) << i << " " << k;
  }
}

TEST(Fits, ThatGoOnDrawTheNumbersOfOneLongFit) {
  Sequential once = linear(), in_parts = linear();
  Draws whole, parts;
  for (int training = 0; training < 2; ++training) {
    whole.fit(once, {.epochs = 3});
    parts.fit(in_parts, {.epochs = 1});
    parts.fit(in_parts, {.epochs = 3, .initial_epoch = 1});
  }
  EXPECT_EQ(parts.drawn, whole.drawn);
}

TEST(Fits, ShuffleTensorsInAnotherWayEachTime) {
  const Tensor x = Tensor::uniform({32, 1}, -1, 1, 1), y = Tensor::uniform({32, 1}, -1, 1, 2);
  const auto weights_after = [&](std::vector<FitOptions> fits) {
    Sequential model = linear();
    const auto begin = model.get_weights();
    std::vector<float> result;
    for (FitOptions& options : fits) {
      options.verbose = 0;
      options.batch_size = 4;
      model.set_weights(begin);
      model.fit(x, y, options);
      result.push_back(model.get_weights()[0].data<float>()[0]);
    }
    return result;
  };
  const auto twice = weights_after({{.epochs = 1}, {.epochs = 1}});
  EXPECT_NE(twice[0], twice[1]);
  EXPECT_EQ(weights_after({{.epochs = 1}, {.epochs = 1}}), twice);
}

// ---- Plans ----

// The short batch of a larger one lies elsewhere in its slot than a batch of as many rows.
TEST(Plans, ABatchIsReadFromWhereItLiesInItsOwnSlot) {
  const Tensor x = Tensor::uniform({404, 3}, -1, 1, 1), y = Tensor::uniform({404, 1}, -1, 1, 2);
  const Tensor x4 = x.rows(0, 4), y4 = y.rows(0, 4);
  const auto make = [] {
    Sequential model({Input({3}), Dense(1)});
    model.compile({.optimizer = SGD(), .loss = "mse"});
    return model;
  };
  Sequential used = make(), fresh = make();
  used.fit(x, y, {.verbose = 0, .batch_size = 400});
  fresh.set_weights(used.get_weights());
  EXPECT_EQ(used.train_on_batch(x4, y4)["loss"], fresh.train_on_batch(x4, y4)["loss"]);
  EXPECT_EQ(used.evaluate(x4, y4, {.verbose = 0})["loss"],
            fresh.evaluate(x4, y4, {.verbose = 0})["loss"]);
  EXPECT_EQ(used.evaluate(x, y, {.verbose = 0, .batch_size = 400})["loss"],
            fresh.evaluate(x, y, {.verbose = 0, .batch_size = 400})["loss"]);
}

// The n-th batch has n rows.
TEST(Plans, AreKeptForABoundedNumberOfBatchSizes) {
  for (const Device& device : {Device::cpu(), Device::simulated()}) {
    Sequential model({Input({2}), Dense(1)}, {.device = device});
    model.compile({.optimizer = SGD({.learning_rate = 0.01}), .loss = "mse"});
    auto rows = generator<float, float>(
        {.x = {200, 2}, .y = {200, 1}},
        [](BatchContext& batch, std::span<float> x, std::span<float> y) -> std::int64_t {
          batch.random.fill_uniform(x);
          batch.random.fill_uniform(y);
          return 1 + batch.index;
        });
    const History history = model.fit(rows, {.steps_per_epoch = 200, .verbose = 0});
    EXPECT_TRUE(std::isfinite(history["loss"].back()));
    EXPECT_EQ(model.iterations(), 200);
    EXPECT_LE(model.memory_report().plans.size(), 32U);
  }
}

}  // namespace
}  // namespace stoker

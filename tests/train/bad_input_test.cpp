// Bad input: a typed error that names the place, what was expected and what was received, and a
// model that can be used afterwards.
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <cmath>
#include <limits>

#include "support/sanitizer.h"

namespace stoker {
namespace {

// Runs f and returns the message of the E that it throws; fails when it throws none.
template <class E, class F>
std::string message_of(F&& f) {
  try {
    f();
  } catch (const E& error) {
    return error.what();
  } catch (const std::exception& error) {
    ADD_FAILURE() << "expected another type, received: " << error.what();
    return {};
  }
  ADD_FAILURE() << "expected an exception";
  return {};
}

#define EXPECT_CONTAINS(text, part)                          \
  EXPECT_NE(std::string(text).find(part), std::string::npos) \
      << "expected \"" << (part) << "\" in: " << (text)

Sequential classifier() {
  Sequential model({Input({4}), Dense(8, {.activation = "relu"}), Dense(3, {.name = "logits"})});
  model.compile({.optimizer = SGD(),
                 .loss = SparseCategoricalCrossentropy({.from_logits = true}),
                 .metrics = {"accuracy"}});
  return model;
}

auto batches(std::int32_t label_limit = 3) {
  return generator<float, std::int32_t>(
      {.x = {8, 4}, .y = {8}},
      [label_limit](BatchContext& batch, std::span<float> x, std::span<std::int32_t> y) {
        for (float& value : x) value = batch.random.uniform();
        for (auto& label : y) {
          label = static_cast<std::int32_t>(batch.random.integer(0, label_limit));
        }
      });
}

void expect_usable(Model& model) {
  auto good = batches();
  const History history = model.fit_generator(good, {.steps_per_epoch = 3, .verbose = 0});
  EXPECT_TRUE(std::isfinite(history["loss"].back()));
}

TEST(BadInput, LayersThatDoNotFitAreRefusedAtConstruction) {
  const std::string message = message_of<ShapeError>([] {
    Sequential model({Input({6, 6, 1}), Conv2D(4, 3), MaxPooling2D(5, {.name = "pool"})});
  });
  EXPECT_CONTAINS(message, "MaxPooling2D \"pool\"");
  EXPECT_CONTAINS(message, "(None, 4, 4, 4)");
}

TEST(BadInput, ConvolutionOfARowIsRefusedAtConstruction) {
  const std::string message = message_of<ShapeError>([] {
    Sequential model({Input({6}), Conv2D(4, 3)});
  });
  EXPECT_CONTAINS(message, "Conv2D \"conv2d\"");
  EXPECT_CONTAINS(message, "(None, 6)");
}

TEST(BadInput, SequentialWithoutAnInput) {
  EXPECT_CONTAINS(message_of<ValueError>([] { Sequential model({Dense(3)}); }), "Input");
}

TEST(BadInput, AddingALayerThatDoesNotFitLeavesTheModel) {
  Sequential model({Input({4}), Dense(3)});
  EXPECT_THROW(model.add(Conv2D(4, 3)), ShapeError);
  EXPECT_EQ(model.predict(Tensor(Shape{2, 4})).shape(), (Shape{2, 3}));
}

TEST(BadInput, ALayerCalledAgainOnAnotherWidth) {
  const std::string message = message_of<ShapeError>([] {
    Layer shared = Dense(3, {.name = "shared"});
    const Value input = Input({5});
    Model model(input, shared(shared(input)));
  });
  EXPECT_CONTAINS(message, "Dense \"shared\"");
  EXPECT_CONTAINS(message, "(5, 3)");
}

TEST(BadInput, WrongBatchShape) {
  Sequential model = classifier();
  auto wrong = generator<float, std::int32_t>(
      {.x = {8, 5}, .y = {8}}, [](BatchContext&, std::span<float>, std::span<std::int32_t>) {});
  const std::string message = message_of<ShapeError>(
      [&] { model.fit_generator(wrong, {.steps_per_epoch = 1, .verbose = 0}); });
  EXPECT_CONTAINS(message, "(None, 4)");
  EXPECT_CONTAINS(message, "(None, 5)");
  expect_usable(model);
}

TEST(BadInput, LabelsOutsideTheClasses) {
  Sequential model = classifier();
  auto wrong = batches(7);
  const auto before = model.get_weights();
  const std::string message = message_of<DataError>(
      [&] { model.fit_generator(wrong, {.steps_per_epoch = 50, .verbose = 0}); });
  EXPECT_CONTAINS(message, "outside [0, 3)");
  EXPECT_CONTAINS(message, "step");
  for (const Tensor& weight : model.get_weights()) {
    for (const float value : weight.data<float>()) EXPECT_TRUE(std::isfinite(value));
  }
  expect_usable(model);
}

TEST(BadInput, ARefusedStepChangesNothing) {
  Sequential model = classifier();
  const auto before = model.get_weights();
  const Tensor x = Tensor::normal({2, 4});
  EXPECT_THROW(model.train_on_batch(x, Tensor::from<std::int32_t>({2}, {1, 9})), DataError);
  const auto after = model.get_weights();
  for (std::size_t i = 0; i < before.size(); ++i) {
    for (std::size_t k = 0; k < before[i].data<float>().size(); ++k) {
      EXPECT_EQ(before[i].data<float>()[k], after[i].data<float>()[k]);
    }
  }
  EXPECT_EQ(model.iterations(), 0);
  expect_usable(model);
}

TEST(BadInput, AGeneratorThatIsEmpty) {
  Sequential model = classifier();
  auto empty = generator<float, std::int32_t>(
      {.x = {8, 4}, .y = {8}},
      [](BatchContext&, std::span<float>, std::span<std::int32_t>) { return 0; });
  EXPECT_THROW(model.fit_generator(empty, {.verbose = 0}), DataError);
  expect_usable(model);
}

TEST(BadInput, AGeneratorThatEndsEarlyIsAWarningWithTheCount) {
  Sequential model = classifier();
  auto short_one = generator<float, std::int32_t>(
      {.x = {8, 4}, .y = {8}},
      [](BatchContext& batch, std::span<float> x, std::span<std::int32_t> y) {
        for (float& value : x) value = batch.random.uniform();
        for (auto& label : y) label = 1;
        return batch.sequence < 5 ? 8 : 0;
      });
  testing::internal::CaptureStderr();
  const History history =
      model.fit_generator(short_one, {.steps_per_epoch = 4, .epochs = 3, .verbose = 0});
  const std::string warning = testing::internal::GetCapturedStderr();
  EXPECT_CONTAINS(warning, "after 5 batches");
  EXPECT_CONTAINS(warning, "12");
  EXPECT_EQ(model.iterations(), 5);
  EXPECT_EQ(history.epoch.size(), 2u);
}

TEST(BadInput, StepsPerEpochThatDoNotDivideAPassIsAWarning) {
  Sequential model = classifier();
  const Tensor x = Tensor::normal({50, 4});
  const Tensor y(Shape{50}, DType::int32);
  testing::internal::CaptureStderr();
  const History history =
      model.fit(x, y, {.steps_per_epoch = 3, .epochs = 4, .verbose = 0, .batch_size = 10});
  const std::string warning = testing::internal::GetCapturedStderr();
  EXPECT_CONTAINS(warning, "epoch 2 had 2 batches of the 3");
  EXPECT_EQ(warning.find("epoch 4"), std::string::npos);
  EXPECT_EQ(history.epoch.size(), 4u);
  EXPECT_EQ(model.iterations(), 10);
}

TEST(BadInput, AGeneratorThatThrows) {
  Sequential model = classifier();
  auto throwing = generator<float, std::int32_t>(
      {.x = {8, 4}, .y = {8}},
      [](BatchContext& batch, std::span<float> x, std::span<std::int32_t> y) {
        if (batch.sequence == 7) throw std::runtime_error("the disk is full");
        for (float& value : x) value = batch.random.uniform();
        for (auto& label : y) label = 1;
      });
  const std::string message = message_of<DataError>(
      [&] { model.fit_generator(throwing, {.steps_per_epoch = 5, .epochs = 4, .verbose = 0}); });
  EXPECT_CONTAINS(message, "batch 8 (epoch 2, batch 3 of it)");
  EXPECT_CONTAINS(message, "the disk is full");
  EXPECT_EQ(model.iterations(), 7);
  expect_usable(model);
}

TEST(BadInput, EndlessSourcesNeedStepsPerEpoch) {
  Sequential model = classifier();
  auto endless = batches();
  EXPECT_CONTAINS(message_of<ValueError>([&] { model.fit_generator(endless, {.verbose = 0}); }),
                  "steps_per_epoch");
  EXPECT_CONTAINS(message_of<ValueError>([&] {
                    model.fit_generator(
                        endless,
                        {.steps_per_epoch = 1, .verbose = 0, .validation_generator = batches()});
                  }),
                  "validation_steps");
  expect_usable(model);
}

TEST(BadInput, FitBeforeCompile) {
  Sequential model({Input({4}), Dense(3)});
  auto good = batches();
  EXPECT_CONTAINS(message_of<ValueError>(
                      [&] { model.fit_generator(good, {.steps_per_epoch = 1, .verbose = 0}); }),
                  "compile(");
}

TEST(BadInput, NonFiniteLossNamesItsStepAndKeepsTheWeights) {
  Sequential model = classifier();
  auto poisoned = generator<float, std::int32_t>(
      {.x = {8, 4}, .y = {8}},
      [](BatchContext& batch, std::span<float> x, std::span<std::int32_t> y) {
        for (float& value : x) value = batch.random.uniform();
        for (auto& label : y) label = 1;
        if (batch.sequence == 6) x[3] = std::numeric_limits<float>::quiet_NaN();
      });
  const std::string message = message_of<NumericError>([&] {
    model.fit_generator(
        poisoned,
        {.steps_per_epoch = 4, .epochs = 3, .verbose = 0, .nan_policy = NanPolicy::allow});
  });
  EXPECT_CONTAINS(message, "step 3 of epoch 2");
  EXPECT_EQ(model.iterations(), 6);
  expect_usable(model);
}

// relu and pooling drop the NaN on the way forward; the kernel's gradient meets it.
TEST(BadInput, ANaNThatTheLossDoesNotSeeLeavesTheWeightsAlone) {
  Sequential model({Input({8, 8, 1}), Conv2D(4, 3, {.activation = "relu"}), MaxPooling2D(2),
                    Flatten(), Dense(3)});
  model.compile(
      {.optimizer = Adam(), .loss = SparseCategoricalCrossentropy({.from_logits = true})});
  auto poisoned = generator<float, std::int32_t>(
      {.x = {4, 8, 8, 1}, .y = {4}},
      [](BatchContext& batch, std::span<float> x, std::span<std::int32_t> y) {
        batch.random.fill_uniform(x);
        for (auto& label : y) label = 1;
        if (batch.sequence == 2) x[30] = std::numeric_limits<float>::quiet_NaN();
      });
  const std::string message = message_of<NumericError>([&] {
    model.fit_generator(poisoned,
                        {.steps_per_epoch = 6, .verbose = 0, .nan_policy = NanPolicy::allow});
  });
  EXPECT_CONTAINS(message, "step 3 of epoch 1");
  for (const Tensor& weight : model.get_weights()) {
    for (const float value : weight.data<float>()) EXPECT_TRUE(std::isfinite(value));
  }
  EXPECT_EQ(model.iterations(), 2);
}

TEST(BadInput, OneGeneratorForTrainingAndValidation) {
  Sequential model = classifier();
  int calls = 0;
  auto counting = generator<float, std::int32_t>(
      {.x = {8, 4}, .y = {8}},
      [&calls](BatchContext&, std::span<float>, std::span<std::int32_t>) { ++calls; });
  const std::string message = message_of<ValueError>([&] {
    model.fit_generator(counting, {.steps_per_epoch = 1,
                                   .verbose = 0,
                                   .validation_generator = counting,
                                   .validation_steps = 1});
  });
  EXPECT_CONTAINS(message, "pure");
  FitOptions weighted{.steps_per_epoch = 1, .verbose = 0, .class_weight = {{0, 2.0}}};
  weighted.validation_generator = counting;
  weighted.validation_steps = 1;
  EXPECT_THROW(model.fit_generator(counting, weighted), ValueError);
  EXPECT_EQ(calls, 0);
}

TEST(BadInput, MoreTargetsThanOutputs) {
  Sequential model = classifier();
  auto two = generator<float, std::int32_t, std::int32_t>(
      {.x = {8, 4}, .targets = {{8}, {8}}},
      [](BatchContext&, std::span<float>, std::span<std::int32_t>, std::span<std::int32_t>) {});
  EXPECT_CONTAINS(message_of<ShapeError>(
                      [&] { model.fit_generator(two, {.steps_per_epoch = 1, .verbose = 0}); }),
                  "2 targets");
}

TEST(BadInput, RunEagerlyNamesTheLayerOfTheFirstNaN) {
  Sequential model({Input({4}), Dense(8, {.name = "first"}),
                    Dense(3, {.activation = "exponential", .name = "explodes"})});
  model.compile({.optimizer = SGD(), .loss = "mse", .run_eagerly = true});
  auto weights = model.get_weights();
  for (float& value : weights[0].data<float>()) value = 1.0f;
  for (float& value : weights[2].data<float>()) value = 1000.0f;
  model.set_weights(weights);
  const std::string message = message_of<NumericError>([&] {
    model.train_on_batch(Tensor::full({2, 4}, 10.0f), Tensor(Shape{2, 3}));
  });
  EXPECT_CONTAINS(message, "Dense \"explodes\"");
}

TEST(BadInput, WeightsThatDoNotFit) {
  Sequential model = classifier();
  auto weights = model.get_weights();
  weights[1] = Tensor(Shape{9});
  const std::string message = message_of<ShapeError>([&] { model.set_weights(weights); });
  EXPECT_CONTAINS(message, "dense/bias");
  EXPECT_CONTAINS(message, "(8,)");
  EXPECT_CONTAINS(message, "(9,)");
  weights.pop_back();
  EXPECT_THROW(model.set_weights(weights), ShapeError);
}

// Sixteen tebibytes: more than a machine has, and than its addresses reach.
#if !STOKER_SANITIZED_MALLOC
TEST(BadInput, TooLittleMemoryIsAnErrorOfOurs) {
  EXPECT_CONTAINS(message_of<DeviceError>([] { Tensor x({std::int64_t{1} << 46}); }), "Tensor");
  EXPECT_CONTAINS(message_of<DeviceError>([] {
                    Sequential model({Input({1 << 23}), Dense(1 << 23)});
                  }),
                  "weights");
}
#endif  // !STOKER_SANITIZED_MALLOC

TEST(BadInput, DifferentNumbersOfRows) {
  Sequential model = classifier();
  EXPECT_THROW(model.fit(Tensor(Shape{10, 4}), Tensor(Shape{9}, DType::int32), {.verbose = 0}),
               ShapeError);
  EXPECT_THROW(model.train_on_batch(Tensor(Shape{10, 4}), Tensor(Shape{9}, DType::int32)),
               ShapeError);
  expect_usable(model);
}

TEST(BadInput, OptionsOutsideTheirRange) {
  Sequential model = classifier();
  auto good = batches();
  EXPECT_THROW(model.fit_generator(good, {.steps_per_epoch = 0, .verbose = 0}), ValueError);
  EXPECT_THROW(model.fit_generator(good, {.steps_per_epoch = 1, .epochs = 0, .verbose = 0}),
               ValueError);
  EXPECT_THROW(model.fit(Tensor(Shape{10, 4}), Tensor(Shape{10}, DType::int32),
                         {.verbose = 0, .batch_size = 0}),
               ValueError);
  EXPECT_THROW(Activation("rellu"), ValueError);
  EXPECT_THROW(Loss("mean_sqared_error"), ValueError);
  EXPECT_THROW(Optimizer("adamm"), ValueError);
  EXPECT_THROW(Dropout(1.5), ValueError);
  expect_usable(model);
}

TEST(BadInput, AMissingDataSetSaysHowToGetIt) {
  const std::string message =
      message_of<IoError>([] { load_fashion_mnist("/nonexistent/directory"); });
  EXPECT_CONTAINS(message, "dataset-fashion-mnist");
}

TEST(BadInput, HistoryListsWhatThereIs) {
  Sequential model = classifier();
  auto good = batches();
  const History history = model.fit_generator(good, {.steps_per_epoch = 2, .verbose = 0});
  const std::string message = message_of<ValueError>([&] { (void)history["acuracy"]; });
  EXPECT_CONTAINS(message, "it has: accuracy, ");
  EXPECT_CONTAINS(message, ", loss");
}

}  // namespace
}  // namespace stoker

// Callbacks: what they may do within a fit, what they cost, and how they fail.
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <chrono>
#include <cmath>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "support/allocation_counter.h"
#include "support/contains.h"
#include "support/counting_device.h"
#include "support/message.h"
#include "support/sanitizer.h"

namespace stoker {
namespace {

Sequential classifier(Device device = Device::cpu()) {
  Sequential model({Input({4}), Dense(8, {.activation = "relu"}), Dense(3)},
                   {.name = "own", .seed = 7, .device = std::move(device)});
  model.compile({.optimizer = SGD({.learning_rate = 0.1}),
                 .loss = SparseCategoricalCrossentropy({.from_logits = true}),
                 .metrics = {"accuracy"}});
  return model;
}

struct Data {
  Tensor x = Tensor::uniform({32, 4});
  Tensor y{{32}, DType::int32};
  Data() {
    for (std::size_t i = 0; i < 32; ++i) y.data<std::int32_t>()[i] = static_cast<int>(i % 3);
  }
};
const Data& data() {
  static const Data all;
  return all;
}

// A fit of four steps an epoch, without a display.
FitOptions quiet(std::int64_t epochs = 1) {
  return {.epochs = epochs, .verbose = 0, .batch_size = 8, .shuffle = false};
}
History fit(Model& model, FitOptions options) { return model.fit(data().x, data().y, options); }

class Callbacks : public testing::TestWithParam<const char*> {
 protected:
  Device device() const {
    return std::string(GetParam()) == "cpu" ? Device::cpu() : Device::simulated();
  }
};
INSTANTIATE_TEST_SUITE_P(On, Callbacks, testing::Values("cpu", "simulated"),
                         [](const auto& info) { return std::string(info.param); });

// ---- What hooks see and do ----

TEST_P(Callbacks, SeeRunningMeansAfterEachStep) {
  Sequential model = classifier(device());
  Sequential by_hand = classifier(device());
  std::vector<double> seen;
  FitOptions options = quiet();
  options.on_train_batch_end = [&](std::int64_t, LogsView logs) { seen.push_back(logs.loss()); };
  fit(model, options);
  double sum = 0.0;
  ASSERT_EQ(seen.size(), 4u);
  for (std::size_t step = 0; step < 4; ++step) {
    Tensor x({8, 4}), y({8}, DType::int32);
    std::copy_n(data().x.data<float>().data() + 32 * step, 32, x.data<float>().data());
    std::copy_n(data().y.data<std::int32_t>().data() + 8 * step, 8, y.data<std::int32_t>().data());
    sum += by_hand.train_on_batch(x, y).loss();
    EXPECT_NEAR(seen[step], sum / static_cast<double>(step + 1), 1e-6);
  }
}

TEST_P(Callbacks, DoNotChangeTheTraining) {
  Sequential alone = classifier(device());
  Sequential watched = classifier(device());
  fit(alone, quiet(3));
  FitOptions options = quiet(3);
  options.validation_data = {data().x, data().y};
  options.on_train_batch_end = [&](std::int64_t, LogsView logs) {
    const Logs before = logs;
    watched.evaluate(data().x, data().y, {.verbose = 0});
    watched.predict(data().x);
    watched.test_on_batch(data().x, data().y);
    watched.get_weights();
    EXPECT_EQ(before.loss(), logs.loss());
  };
  const History history = fit(watched, options);
  const auto a = alone.get_weights(), b = watched.get_weights();
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_TRUE(std::ranges::equal(a[i].data<float>(), b[i].data<float>()));
  }
  EXPECT_EQ(history["loss"].size(), 3u);
}

TEST_P(Callbacks, EvaluateWithinAStepKeepsTheRunningMeans) {
  Sequential plain = classifier(device());
  const History expected = fit(plain, quiet(2));
  Sequential model = classifier(device());
  FitOptions options = quiet(2);
  options.on_train_batch_begin = [&](std::int64_t) {
    model.evaluate(data().x, data().y, {.verbose = 0});
  };
  EXPECT_EQ(fit(model, options)["loss"], expected["loss"]);
}

TEST_P(Callbacks, SetTheLearningRateOfTheNextStep) {
  Sequential model = classifier(device());
  std::vector<std::vector<Tensor>> weights;
  FitOptions options = quiet();
  options.on_train_batch_begin = [&](std::int64_t step) {
    weights.push_back(model.get_weights());
    if (step == 2) model.set_learning_rate(0.0);
  };
  fit(model, options);
  const auto same = [](const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
    return std::ranges::equal(a[0].data<float>(), b[0].data<float>());
  };
  EXPECT_FALSE(same(weights[1], weights[2]));
  EXPECT_TRUE(same(weights[2], weights[3]));
  EXPECT_TRUE(same(weights[2], model.get_weights()));
  EXPECT_EQ(model.learning_rate(), 0.0);
}

TEST_P(Callbacks, SetWeights) {
  Sequential model = classifier(device());
  const std::vector<Tensor> first = model.get_weights();
  FitOptions options = quiet(2);
  options.on_epoch_end = [&](std::int64_t, Logs&) { model.set_weights(first); };
  fit(model, options);
  EXPECT_TRUE(std::ranges::equal(first[0].data<float>(), model.get_weights()[0].data<float>()));
}

TEST_P(Callbacks, AddToTheLogsOfTheEpoch) {
  Sequential model = classifier(device());
  FitOptions options = quiet(2);
  std::vector<std::string> names;
  options.callbacks = {LambdaCallback{.on_epoch_end =
                                          [&](std::int64_t epoch, Logs& logs) {
                                            logs.set("learning_rate",
                                                     0.5 + static_cast<double>(epoch));
                                          }},
                       LambdaCallback{.on_epoch_end = [&](std::int64_t, Logs& logs) {
                         for (const auto& [name, value] : logs) names.push_back(name);
                       }}};
  EXPECT_EQ(fit(model, options)["learning_rate"], (std::vector<double>{0.5, 1.5}));
  EXPECT_EQ(names[2], "learning_rate");
}

TEST_P(Callbacks, HearTheVerdictOfEachEpoch) {
  Sequential model = classifier(device());
  FitOptions options = quiet(2);
  std::vector<std::int64_t> batches;
  options.on_epoch_report = [&](std::int64_t, const FeedReport& report) {
    batches.push_back(report.batches);
    EXPECT_GE(report.callbacks, 0.0);
  };
  fit(model, options);
  EXPECT_EQ(batches, (std::vector<std::int64_t>{4, 4}));
}

TEST_P(Callbacks, HearOfProgressWithoutWaiting) {
  Sequential model = classifier(device());
  int heard = 0;
  std::int64_t last = -1;
  auto source = generator<float, std::int32_t>(
      {.x = {8, 4}, .y = {8}},
      [](BatchContext& batch, std::span<float> x, std::span<std::int32_t> y) {
        batch.random.fill_uniform(x);
        for (auto& label : y) label = 1;
      });
  model.fit(source, {.steps_per_epoch = 1'000'000,
                     .verbose = 0,
                     .on_train_progress = [&](std::int64_t step, LogsView logs) {
                       EXPECT_GT(step, last);
                       last = step;
                       EXPECT_TRUE(std::isfinite(logs.loss()));
                       EXPECT_TRUE(logs.contains("accuracy"));
                       if (++heard == 3) model.stop_training();
                     }});
  EXPECT_EQ(heard, 3);
}

TEST_P(Callbacks, OfPredictSeeTheOutputsOfTheBatch) {
  Sequential model = classifier(device());
  std::vector<float> seen;
  const Tensor all = model.predict(
      data().x, {.batch_size = 12, .on_predict_batch_end = [&](std::int64_t, PredictionsView view) {
                   const Tensor rows = view.tensors()[0];
                   EXPECT_EQ(rows.shape()[1], 3);
                   seen.insert(seen.end(), rows.data<float>().begin(), rows.data<float>().end());
                 }});
  EXPECT_TRUE(std::ranges::equal(seen, all.data<float>()));
}

TEST_P(Callbacks, OfModelsThatShareLayersSeeTheTrainedWeights) {
  const Layer hidden = Dense(8), output = Dense(3);
  const Value in = Input({4});
  const Value code = hidden(in);
  const Device device = this->device();
  Model whole(in, output(code), {.name = "whole", .device = device});
  Model encoder(in, code, {.name = "encoder", .device = device});
  whole.compile({.optimizer = SGD({.learning_rate = 0.1}),
                 .loss = SparseCategoricalCrossentropy({.from_logits = true})});
  FitOptions options = quiet(1);
  std::vector<Tensor> seen;
  options.on_train_batch_end = [&](std::int64_t, LogsView) {
    const Tensor codes = encoder.predict(data().x);
    const std::vector<Tensor> weights = whole.get_weights();
    // The codes are those of the weights after this very step.
    float expected = weights[1].data<float>()[0];
    for (std::size_t i = 0; i < 4; ++i) {
      expected += data().x.data<float>()[i] * weights[0].data<float>()[8 * i];
    }
    EXPECT_NEAR(codes.data<float>()[0], expected, 1e-5);
  };
  fit(whole, options);
  const std::string message = [&] {
    options.on_train_batch_end = {};
    options.on_epoch_end = [&](std::int64_t, Logs&) {
      encoder.compile({.optimizer = SGD(), .loss = "mse"});
      encoder.fit(data().x, encoder.predict(data().x), {.verbose = 0});
    };
    return test::message_of<CallbackError>([&] { fit(whole, options); });
  }();
  EXPECT_TRUE(
      test::contains(message, "a callback of fit on a model with the same layers called it"))
      << message;
}

TEST_P(Callbacks, HearOfAValidationThatFails) {
  class Hears : public Callback {
   public:
    std::string what{};
    bool on_train_failure(const Error& failure) override {
      what = failure.what();
      return true;  // which ends nothing here as it should
    }
  };
  Hears hears;
  Sequential model = classifier(device());
  FitOptions options = quiet(2);
  auto validation = generator<float, std::int32_t>(
      {.x = {8, 4}, .y = {8}},
      [](BatchContext& batch, std::span<float> x, std::span<std::int32_t> y) {
        if (batch.index == 1) throw std::runtime_error("no more");
        std::ranges::fill(x, 0.5f);
        std::ranges::fill(y, 1);
      });
  options.validation_data = validation;
  options.validation_steps = 1;
  options.callbacks = {hears};
  EXPECT_EQ(fit(model, options)["val_loss"].size(), 2u);
  options.validation_steps = 2;
  EXPECT_THROW(fit(model, options), DataError);
  EXPECT_TRUE(test::contains(hears.what, "batch 2 (epoch 1, batch 2 of it): no more"));
}

// ---- Stopping ----

TEST_P(Callbacks, StopAfterTheStepAndEndTheEpochAsUsual) {
  Sequential model = classifier(device());
  std::vector<std::string> heard;
  FitOptions options = quiet(5);
  options.validation_data = {data().x, data().y};
  options.on_train_batch_end = [&](std::int64_t step, LogsView) {
    if (step == 1) model.stop_training();
  };
  options.on_epoch_end = [&](std::int64_t, Logs& logs) {
    heard.push_back(logs.contains("val_loss") ? "validated" : "not validated");
  };
  options.on_train_end = [&](const Logs& logs) {
    heard.push_back(logs.contains("val_loss") ? "end" : "end without logs");
  };
  const History history = fit(model, options);
  EXPECT_EQ(heard, (std::vector<std::string>{"validated", "end"}));
  EXPECT_EQ(history.epoch.size(), 1u);
  EXPECT_EQ(model.iterations(), 2);
  fit(model, quiet(2));  // the next fit is told anew
  EXPECT_EQ(model.iterations(), 10);
}

// One callback that stops is enough, and the others hear the same hooks all the same.
TEST_P(Callbacks, ThatDisagreeAboutStoppingStop) {
  class Stubborn : public Callback {
   public:
    int epochs = 0;
    void on_epoch_end(std::int64_t, Logs&) override { ++epochs; }
  };
  class Stops : public Callback {
   public:
    void on_epoch_end(std::int64_t epoch, Logs&) override {
      if (epoch == 1) model().stop_training();
    }
  };
  Stubborn before, after;
  Sequential model = classifier(device());
  FitOptions options = quiet(5);
  options.callbacks = {before, Stops(), after};
  EXPECT_EQ(fit(model, options).epoch.size(), 2u);
  EXPECT_EQ(before.epochs, 2);
  EXPECT_EQ(after.epochs, 2);
}

TEST_P(Callbacks, StopEvaluationAndPrediction) {
  Sequential model = classifier(device());
  int batches = 0;
  model.evaluate(
      data().x, data().y,
      {.verbose = 0, .batch_size = 8, .on_test_batch_end = [&](std::int64_t step, LogsView) {
         ++batches;
         if (step == 1) model.stop_evaluating();
       }});
  EXPECT_EQ(batches, 2);
  const Tensor rows =
      model.predict(data().x, {.batch_size = 8, .on_predict_batch_begin = [&](std::int64_t step) {
                                 if (step == 2) model.stop_predicting();
                               }});
  EXPECT_EQ(rows.shape()[0], 24);
}

TEST_P(Callbacks, AnyThreadMayStopTheTraining) {
  Sequential model = classifier(device());
  std::thread other;
  FitOptions options = quiet(1'000'000'000);
  options.on_epoch_begin = [&](std::int64_t epoch) {
    if (epoch == 1) other = std::thread([&] { model.stop_training(); });
  };
  fit(model, options);
  other.join();
}

// ---- Handles ----

TEST(CallbackHandles, OwnTemporariesAndShareTheRest) {
  class Counts : public Callback {
   public:
    explicit Counts(int* total) : total_(total) {}
    void on_epoch_end(std::int64_t, Logs&) override { ++*total_; }

   private:
    int* total_;
  };
  int named = 0, temporary = 0, shared = 0;
  Counts own(&named);
  FitOptions options = quiet(2);
  options.callbacks = {own, Counts(&temporary), std::make_shared<Counts>(&shared)};
  Sequential model = classifier();
  fit(model, options);
  fit(model, options);
  EXPECT_EQ(named, 4);
  EXPECT_EQ(temporary, 4);
  EXPECT_EQ(shared, 4);
}

TEST(CallbackHandles, ThatAreNullAreRefused) {
  Sequential model = classifier();
  FitOptions options = quiet();
  options.callbacks = {std::shared_ptr<Callback>()};
  EXPECT_EQ(test::message_of<ValueError>([&] { fit(model, options); }),
            "fit: expected a callback at place 0 of callbacks, received a null pointer");
}

TEST(CallbackHandles, KnowTheirModelOnlyWithinHooks) {
  class Asks : public Callback {
   public:
    std::int64_t epochs = 0, steps = 0;
    void on_train_begin() override {
      epochs = params().epochs;
      steps = *params().steps;
      EXPECT_EQ(model().name(), "own");
    }
    using Callback::model;
  };
  Asks asks;
  Sequential model = classifier();
  FitOptions options = quiet(3);
  options.callbacks = {asks};
  fit(model, options);
  EXPECT_EQ(asks.epochs, 3);
  EXPECT_EQ(asks.steps, 4);
  EXPECT_TRUE(test::contains(test::message_of<ValueError>([&] { asks.model(); }),
                             "expected to be called within a hook"));
}

// ---- Failures ----

class Fails : public Callback {
 public:
  void on_train_batch_end(std::int64_t step, LogsView) override {
    if (step == 2) throw std::runtime_error("no more disk");
  }
};

TEST_P(Callbacks, ThatThrowEndTheFitWithTheirName) {
  Sequential model = classifier(device());
  FitOptions options = quiet(2);
  options.callbacks = {Fails()};
  try {
    fit(model, options);
    FAIL();
  } catch (const CallbackError& error) {
    EXPECT_EQ(error.what(), std::string("fit: callback stoker::(anonymous namespace)::Fails, "
                                        "on_train_batch_end(2): no more disk"));
    EXPECT_THROW(std::rethrow_if_nested(error), std::runtime_error);
  }
  EXPECT_EQ(model.iterations(), 3);  // the step is taken, and the model can be used
  fit(model, quiet());
  EXPECT_EQ(model.iterations(), 7);
}

TEST_P(Callbacks, MayThrowAnything) {
  Sequential model = classifier(device());
  FitOptions options = quiet();
  options.on_epoch_begin = [](std::int64_t) { throw 7; };
  EXPECT_EQ(test::message_of<CallbackError>([&] { fit(model, options); }),
            "fit: callback LambdaCallback, on_epoch_begin(0): it threw something that is no "
            "std::exception");
  options = quiet();
  options.on_train_begin = [] { throw std::runtime_error("early"); };
  EXPECT_EQ(test::message_of<CallbackError>([&] { fit(model, options); }),
            "fit: callback LambdaCallback, on_train_begin(): early");
}

TEST_P(Callbacks, CannotSetALearningRateThatIsNone) {
  Sequential model = classifier(device());
  FitOptions options = quiet();
  options.on_train_batch_begin = [&](std::int64_t) {
    model.set_learning_rate(std::numeric_limits<double>::quiet_NaN());
  };
  const std::string message = test::message_of<CallbackError>([&] { fit(model, options); });
  EXPECT_TRUE(test::contains(message,
                             "LambdaCallback, on_train_batch_begin(0): "
                             "set_learning_rate: expected a learning_rate"))
      << message;
  EXPECT_FLOAT_EQ(static_cast<float>(model.learning_rate()), 0.1f);
}

TEST_P(Callbacks, CannotTrainOrCompileTheirOwnModel) {
  Sequential model = classifier(device());
  const auto refused = [&](std::function<void()> call) {
    FitOptions options = quiet();
    options.on_epoch_end = [&](std::int64_t, Logs&) { call(); };
    const std::string message = test::message_of<CallbackError>([&] { fit(model, options); });
    EXPECT_TRUE(test::contains(message, "a callback of fit called it")) << message;
  };
  refused([&] { fit(model, quiet()); });
  refused([&] { model.train_on_batch(data().x, data().y); });
  refused([&] { model.compile({.optimizer = SGD(), .loss = "mse"}); });
  refused([&] { model.add(Dense(1)); });
  fit(model, quiet());
}

// An error of a step is the fit's, also when a hook meets it first.
TEST_P(Callbacks, AreNotBlamedForAnErrorOfAStep) {
  for (const bool reads : {false, true}) {
    Sequential model = classifier(device());
    FitOptions options = quiet();
    options.on_train_batch_end = [&](std::int64_t, LogsView logs) {
      if (reads) logs.loss();
      model.evaluate(data().x, data().y, {.verbose = 0});
    };
    Tensor x = Tensor::uniform({32, 4});
    x.data<float>()[70] = std::numeric_limits<float>::quiet_NaN();  // in the third batch
    options.nan_policy = NanPolicy::allow;
    const std::string message =
        test::message_of<NumericError>([&] { model.fit(x, data().y, options); });
    EXPECT_TRUE(test::contains(message, "the loss is not finite in step 3 of epoch 1")) << message;
    EXPECT_EQ(model.iterations(), 2);
  }
}

// What a step has recorded does not outlive a fit that ended by another error.
TEST_P(Callbacks, ThatThrowLeaveNoErrorOfAStepBehind) {
  Sequential model = classifier(device());
  FitOptions options = quiet();
  Tensor x = Tensor::uniform({32, 4});
  x.data<float>()[0] = std::numeric_limits<float>::quiet_NaN();
  options.nan_policy = NanPolicy::allow;
  options.on_train_batch_end = [](std::int64_t, LogsView) { throw std::runtime_error("first"); };
  EXPECT_THROW(model.fit(x, data().y, options), Error);
  fit(model, quiet());
  EXPECT_EQ(model.iterations(), 4);
}

// ---- Cost ----

class Silent : public Callback {};
class Reads : public Callback {
 public:
  double sum = 0.0;
  void on_train_batch_end(std::int64_t, LogsView logs) override { sum += logs.loss(); }
};

// The calls of the host's that depend on what callbacks ask for, in a fit of so many steps.
struct Calls {
  std::int64_t copies_to_host, launches, records, waits, writes, synchronizations;
  std::int64_t readbacks;  // The most that the ten readbacks a second can have been.
};

Calls calls_of(std::int64_t epochs, const std::vector<CallbackHandle>& callbacks) {
  test::HostCalls calls;
  const auto simulated = Device::simulated();
  const auto counting = test::counting_device(simulated.base(), calls);
  Sequential model = classifier(Device(counting));
  FitOptions options = quiet(1);
  options.batch_size = 1;
  options.callbacks = callbacks;
  Tensor x = Tensor::uniform({epochs, 4});
  Tensor y({epochs}, DType::int32);
  const auto begin = std::chrono::steady_clock::now();
  model.fit(x, y, options);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  return {calls.copies_to_host,
          calls.launches,
          calls.records,
          calls.waits,
          calls.writes,
          calls.synchronizations,
          static_cast<std::int64_t>(10.0 * took.count()) + 1};
}

constexpr std::int64_t kSteps = 200;

// Copies to the host beyond those at the ends of the fit, without the ten readbacks a second, which
// are two copies each.
void expect_no_reads_a_step(const Calls& calls) {
  EXPECT_LE(calls.copies_to_host, 2 * calls.readbacks + 20);
  EXPECT_LE(calls.synchronizations, 40);
}

TEST(CallbackCost, IsNothingForTheDeviceWhereNobodyReads) {
  for (const bool silent : {false, true}) {
    const Calls calls = calls_of(kSteps, silent ? std::vector<CallbackHandle>{Silent(), Silent()}
                                                : std::vector<CallbackHandle>{});
    expect_no_reads_a_step(calls);
    EXPECT_EQ(calls.launches, kSteps);
  }
}

TEST(CallbackCost, IsTwoCopiesAndAWaitForAStepThatIsRead) {
  const Calls calls = calls_of(kSteps, {Reads()});
  EXPECT_GE(calls.copies_to_host, 2 * kSteps);
  EXPECT_LE(calls.copies_to_host, 2 * kSteps + 2 * calls.readbacks + 20);
  EXPECT_LE(calls.synchronizations, 40);
  EXPECT_EQ(calls.launches, kSteps);
}

TEST(CallbackCost, IsOneWriteForANewLearningRate) {
  test::HostCalls calls;
  const auto simulated = Device::simulated();
  Sequential model = classifier(Device(test::counting_device(simulated.base(), calls)));
  fit(model, quiet());
  const std::int64_t waits = calls.synchronizations + calls.event_waits;
  const std::int64_t copies = calls.copies_to_host + calls.copies_to_device;
  for (int i = 0; i < 100; ++i) model.set_learning_rate(0.01 * i);
  EXPECT_EQ(calls.writes, 100);
  EXPECT_EQ(calls.synchronizations + calls.event_waits, waits);
  EXPECT_EQ(calls.copies_to_host + calls.copies_to_device, copies);
  EXPECT_FLOAT_EQ(static_cast<float>(model.learning_rate()), 0.99f);
}

#if !STOKER_SANITIZED_MALLOC

// The allocations between step 40, when a batch of each slot has been accounted for, and step 100.
std::uint64_t allocations_with(const std::vector<CallbackHandle>& callbacks, Device device) {
  class Counts : public Callback {
   public:
    std::uint64_t steps = 0;
    void on_train_batch_end(std::int64_t step, LogsView) override {
      if (step == 40) counter_.emplace();
      if (step == 100) steps = counter_->count();
    }

   private:
    std::optional<test::AllocationCounter> counter_;
  };
  Sequential model({Input({4}), Dense(3)}, {.device = std::move(device)});
  model.compile({.optimizer = SGD({.learning_rate = 0.1}),
                 .loss = SparseCategoricalCrossentropy({.from_logits = true}),
                 .metrics = {"accuracy"}});
  auto counts = std::make_shared<Counts>();
  auto source = generator<float, std::int32_t>(
      {.x = {2, 4}, .y = {2}},
      [](BatchContext& batch, std::span<float> x, std::span<std::int32_t> y) {
        batch.random.fill_uniform(x);
        for (auto& label : y) label = 1;
      });
  std::vector<CallbackHandle> all = callbacks;
  all.emplace_back(counts);
  model.fit(source, {.steps_per_epoch = 101, .verbose = 0, .callbacks = all});
  return counts->steps;
}

TEST_P(Callbacks, AllocateNothingInAStep) {
  EXPECT_EQ(allocations_with({}, device()), 0u);
  EXPECT_EQ(allocations_with({Silent()}, device()), 0u);
  EXPECT_EQ(allocations_with({Reads()}, device()), 0u);
}

#endif

}  // namespace
}  // namespace stoker

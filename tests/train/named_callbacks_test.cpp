// EarlyStopping, CSVLogger and their like in a fit; what they decide is compared with Keras in
// tests/golden/callbacks_test.cpp.
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/contains.h"
#include "support/message.h"
#include "support/temporary_folder.h"

namespace stoker {
namespace {

Sequential regressor() {
  Sequential model({Input({2}), Dense(1)}, {.device = Device::cpu()});
  model.compile(
      {.optimizer = SGD({.learning_rate = 0.1}), .loss = "mse", .metrics = {"mae", "accuracy"}});
  return model;
}

const Tensor& inputs() {
  static const Tensor x = Tensor::uniform({16, 2});
  return x;
}
const Tensor& targets() {
  static const Tensor y = Tensor::uniform({16, 1});
  return y;
}

History fit(Model& model, std::int64_t epochs, std::vector<CallbackHandle> callbacks) {
  return model.fit(inputs(), targets(),
                   {.epochs = epochs, .verbose = 0, .callbacks = std::move(callbacks)});
}

// What a call writes to standard output and standard error.
template <class F>
std::pair<std::string, std::string> output_of(F&& f) {
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  f();
  std::string out = testing::internal::GetCapturedStdout();
  return {std::move(out), testing::internal::GetCapturedStderr()};
}

TEST(EarlyStopping, KnowsByTheMetricWhichValuesAreBetter) {
  for (const auto& [monitor, value, epochs] :
       {std::tuple{"loss", 1.0, 2}, {"mae", 1.0, 2}, {"accuracy", -1.0, 2}, {"loss", -1.0, 5}}) {
    Sequential model = regressor();
    const auto play = [&, monitor = monitor, value = value](std::int64_t epoch, Logs& logs) {
      logs.set(monitor, value * static_cast<double>(epoch));
    };
    const History history = fit(
        model, 5,
        {LambdaCallback{.on_epoch_end = play}, EarlyStopping({.monitor = monitor, .patience = 1})});
    EXPECT_EQ(history.epoch.size(), static_cast<std::size_t>(epochs)) << monitor;
  }
}

TEST(EarlyStopping, SaysWhatItMissesAndWhatItCannotKnow) {
  Sequential model = regressor();
  const auto [out, warning] = output_of([&] { fit(model, 1, {EarlyStopping()}); });
  EXPECT_EQ(warning,
            "Warning: EarlyStopping watches \"val_loss\", which is not among the logs: loss mae "
            "accuracy.\n");
  const auto add = [](std::int64_t, Logs& logs) { logs.set("own", 1.0); };
  EXPECT_TRUE(test::contains(
      test::message_of<CallbackError>([&] {
        fit(model, 1, {LambdaCallback{.on_epoch_end = add}, EarlyStopping({.monitor = "own"})});
      }),
      "fit: callback EarlyStopping, on_epoch_end(0): EarlyStopping: neither a loss nor a "
      "metric of the model is called \"own\""));
  EXPECT_THROW(EarlyStopping({.mode = "least"}), ValueError);
  EXPECT_THROW(EarlyStopping({.patience = -1}), ValueError);
}

TEST(EarlyStopping, TellsWhatItDoes) {
  Sequential model = regressor();
  const auto play = [](std::int64_t epoch, Logs& logs) {
    logs.set("val_loss", static_cast<double>(epoch));
  };
  const auto [out, warning] = output_of([&] {
    fit(model, 5,
        {LambdaCallback{.on_epoch_end = play},
         EarlyStopping({.patience = 2, .verbose = 1, .restore_best_weights = true})});
  });
  EXPECT_EQ(out,
            "Epoch 3: early stopping\n"
            "Restoring model weights from the end of the best epoch: 1.\n");
}

TEST(ReduceLROnPlateau, RefusesFactorsThatDoNotReduce) {
  EXPECT_THROW(ReduceLROnPlateau({.factor = 1.0}), ValueError);
  EXPECT_THROW(ReduceLROnPlateau({.factor = std::numeric_limits<double>::quiet_NaN()}), ValueError);
}

TEST(LearningRateScheduler, SetsTheRateOfEachEpochAndLogsIt) {
  Sequential model = regressor();
  const History history = fit(model, 3, {LearningRateScheduler([](std::int64_t epoch, double rate) {
                                return epoch == 0 ? rate : 0.5 * rate;
                              })});
  EXPECT_FLOAT_EQ(static_cast<float>(history["learning_rate"][0]), 0.1f);
  EXPECT_FLOAT_EQ(static_cast<float>(history["learning_rate"][1]), 0.05f);
  EXPECT_FLOAT_EQ(static_cast<float>(history["learning_rate"][2]), 0.025f);
  EXPECT_THROW(fit(model, 1, {LearningRateScheduler([](std::int64_t, double) { return -1.0; })}),
               CallbackError);
  EXPECT_THROW(LearningRateScheduler(nullptr), ValueError);
}

TEST(TerminateOnNaN, EndsTheFitWithTheLastGoodWeights) {
  for (const Device& device : {Device::cpu(), Device::simulated()}) {
    Sequential model({Input({2}), Dense(1)}, {.device = device});
    model.compile({.optimizer = SGD(), .loss = "mse"});
    Tensor x = Tensor::uniform({16, 2});
    x.data<float>()[20] = std::numeric_limits<float>::infinity();  // row 10
    bool ended = false;
    History history;
    const auto [out, warning] = output_of([&] {
      history = model.fit(x, targets(),
                          {.epochs = 3,
                           .verbose = 0,
                           .batch_size = 4,
                           .shuffle = false,
                           .callbacks = {TerminateOnNaN()},
                           .on_train_end = [&](const Logs&) { ended = true; }});
    });
    EXPECT_TRUE(test::contains(out, "TerminateOnNaN: the loss is not finite in step 3 of epoch 1"));
    EXPECT_EQ(model.iterations(), 2);
    EXPECT_EQ(history.epoch.size(), 1u);
    EXPECT_TRUE(ended);
    EXPECT_TRUE(std::isfinite(history["loss"][0]));
    model.fit(Tensor::uniform({16, 2}), targets(), {.verbose = 0});  // goes on
  }
}

TEST(CSVLogger, WritesALineForEachEpochAsKerasDoes) {
  const test::TemporaryFolder folder;
  const std::string path = folder / "log.csv";
  Sequential model = regressor();
  const auto play = [](std::int64_t epoch, Logs& logs) {
    logs = {};
    logs.set("loss", 0.5 / static_cast<double>(epoch + 1));
    logs.set("a,b", 2.0);
  };
  const LambdaCallback logs{.on_epoch_end = play};
  fit(model, 2, {logs, CSVLogger(path)});
  const std::string first =
      "epoch,\"a,b\",loss,\"val_a,b\",val_loss\r\n0,2,0.5,NA,NA\r\n1,2,0.25,NA,NA\r\n";
  EXPECT_EQ(test::read_all(path), first);
  fit(model, 1, {logs, CSVLogger(path, {.append = true})});
  EXPECT_EQ(test::read_all(path), first + "0,2,0.5,NA,NA\r\n");
  fit(model, 1, {logs, CSVLogger(path, {.separator = ";"})});
  EXPECT_EQ(test::read_all(path), "epoch;a,b;loss;val_a,b;val_loss\r\n0;2;0.5;NA;NA\r\n");
}

TEST(CSVLogger, SaysWhatItCannotWrite) {
  Sequential model = regressor();
  const std::string message = test::message_of<CallbackError>(
      [&] { fit(model, 1, {CSVLogger("/no/such/folder/log.csv")}); });
  EXPECT_TRUE(test::contains(message,
                             "CSVLogger: /no/such/folder/log.csv: expected a file to write "
                             "to, received: No such file or directory"))
      << message;
  EXPECT_THROW(CSVLogger("x", {.separator = ""}), ValueError);
}

// ---- ModelCheckpoint ----

LambdaCallback playing(const char* name, std::vector<double> values) {
  return {.on_epoch_end = [name, values](std::int64_t epoch, Logs& logs) {
    logs.set(name, values[static_cast<std::size_t>(epoch)]);
  }};
}

std::vector<std::string> names_in(const std::string& path) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(path)) {
    names.push_back(entry.path().filename().string());
  }
  std::ranges::sort(names);
  return names;
}

TEST(ModelCheckpoint, NamesFilesByTheLogs) {
  const test::TemporaryFolder folder;
  Sequential model = regressor();
  fit(model, 2,
      {playing("val_loss", {0.125, 2.0}),
       ModelCheckpoint(folder / "a/{epoch:02d}-{val_loss:.2f}{{x}}.keras")});
  EXPECT_EQ(names_in(folder / "a"),
            (std::vector<std::string>{"01-0.12{x}.keras", "02-2.00{x}.keras"}));
  Model loaded = Model::load(folder / "a/02-2.00{x}.keras");
  EXPECT_EQ(loaded.iterations(), model.iterations());
}

TEST(ModelCheckpoint, SavesOnlyTheBestWhereItIsAsked) {
  const test::TemporaryFolder folder;
  Sequential model = regressor();
  ModelCheckpoint checkpoint(folder / "{epoch}.weights.h5",
                             {.verbose = 1, .save_best_only = true, .save_weights_only = true});
  const auto [out, warning] = output_of([&] {
    fit(model, 4, {playing("val_loss", {0.5, 0.75, 0.25, 0.25}), checkpoint});
  });
  EXPECT_EQ(names_in(folder.path()), (std::vector<std::string>{"1.weights.h5", "3.weights.h5"}));
  EXPECT_EQ(checkpoint.best(), 0.25);
  EXPECT_TRUE(test::contains(out, "Epoch 1: val_loss improved from None to 0.50000, saving model"));
  EXPECT_TRUE(test::contains(out, "Epoch 2: val_loss did not improve from 0.50000"));
}

TEST(ModelCheckpoint, CountsStepsOverEpochs) {
  const test::TemporaryFolder folder;
  Sequential model = regressor();
  model.fit(inputs(), targets(),
            {.epochs = 2,
             .verbose = 0,
             .batch_size = 4,
             .callbacks = {ModelCheckpoint(folder / "{epoch}-{batch}.keras", {.save_freq = 3})}});
  EXPECT_EQ(names_in(folder.path()), (std::vector<std::string>{"1-3.keras", "2-2.keras"}));
}

TEST(ModelCheckpoint, RefusesNamesThatNoFileHas) {
  EXPECT_THROW(ModelCheckpoint("model.pt"), ValueError);
  EXPECT_THROW(ModelCheckpoint("model.keras", {.save_weights_only = true}), ValueError);
  Sequential model = regressor();
  for (const char* name : {"{epohc}.keras", "{epoch:q}.keras", "{epoch.keras", "{loss:d}.keras"}) {
    EXPECT_THROW(fit(model, 1, {ModelCheckpoint(name)}), CallbackError) << name;
  }
}

TEST(ProgbarLogger, InTheListTakesThePlaceOfTheBar) {
  Sequential model = regressor();
  const auto [out, warning] = output_of([&] {
    model.fit(
        inputs(), targets(),
        {.callbacks = {ProgbarLogger(2), LambdaCallback{.on_epoch_end = [](std::int64_t, Logs&) {
                         std::cout << "after it\n";
                       }}}});
  });
  EXPECT_TRUE(test::contains(out, "Epoch 1/1\n1/1 - "));
  EXPECT_LT(out.find("1/1 - "), out.find("after it"));
  EXPECT_EQ(out.find("Epoch"), out.rfind("Epoch"));
}

TEST(ProgbarLogger, ShowsAnEvaluationAfterAFitThatFailed) {
  Sequential model = regressor();
  ProgbarLogger bar(2);
  const auto [out, warning] = output_of([&] {
    const LambdaCallback fails{
        .on_epoch_end = [](std::int64_t, Logs&) { throw std::runtime_error("no"); }};
    EXPECT_THROW(model.fit(inputs(), targets(), {.callbacks = {fails, bar}}), CallbackError);
    std::cout << "after it\n";
    model.evaluate(inputs(), targets(), {.callbacks = {bar}});
  });
  EXPECT_TRUE(test::contains(out.substr(out.find("after it")), "1/1 - "));
}

// A failure may be absorbed by any callback, and all of them hear of it.
TEST(Failures, AreHeardByAllCallbacks) {
  class Hears : public Callback {
   public:
    std::string what{};
    bool on_train_failure(const Error& failure) override {
      what = failure.what();
      return false;
    }
  };
  Hears first, second;
  Sequential model = regressor();
  auto source = generator<float, float>(
      {.x = {4, 2}, .y = {4, 1}}, [](BatchContext& batch, std::span<float> x, std::span<float> y) {
        if (batch.index == 2) throw std::runtime_error("no more");
        batch.random.fill_uniform(x);
        batch.random.fill_uniform(y);
      });
  EXPECT_THROW(
      model.fit(source, {.steps_per_epoch = 5, .verbose = 0, .callbacks = {first, second}}),
      DataError);
  EXPECT_TRUE(test::contains(first.what, "batch 3 (epoch 1, batch 3 of it): no more"));
  EXPECT_EQ(first.what, second.what);
}

}  // namespace
}  // namespace stoker

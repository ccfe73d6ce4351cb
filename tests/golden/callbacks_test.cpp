// The hooks of callbacks are called once each, in Keras's order, with Keras's numbers and logs.
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "core/format.h"
#include "support/source_folder.h"

namespace stoker {
namespace {

// Hooks by call, as tests/golden/make_callback_order.py recorded them.
std::map<std::string, std::vector<std::string>> recorded() {
  std::ifstream file(test::source_folder() / "tests/golden/cases/callbacks/order.txt");
  std::map<std::string, std::vector<std::string>> sections;
  std::string section;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("# ")) {
      section = line.substr(2);
    } else {
      sections[section].push_back(line);
    }
  }
  return sections;
}

// Writes a line for each hook, and stops the training after step 1 of epoch 2.
class Recorder : public Callback {
 public:
  std::vector<std::string> lines{};

  void on_train_begin() override { add("on_train_begin"); }
  void on_train_end(const Logs& logs) override { add("on_train_end", -1, logs); }
  void on_epoch_begin(std::int64_t epoch) override {
    epoch_ = epoch;
    add("on_epoch_begin", epoch);
  }
  void on_epoch_end(std::int64_t epoch, Logs& logs) override { add("on_epoch_end", epoch, logs); }
  void on_train_batch_begin(std::int64_t step) override { add("on_train_batch_begin", step); }
  void on_train_batch_end(std::int64_t step, LogsView logs) override {
    add("on_train_batch_end", step, logs);
    if (epoch_ == 2 && step == 1) model().stop_training();
  }
  void on_test_begin() override { add("on_test_begin"); }
  void on_test_end(const Logs& logs) override { add("on_test_end", -1, logs); }
  void on_test_batch_begin(std::int64_t step) override { add("on_test_batch_begin", step); }
  void on_test_batch_end(std::int64_t step, LogsView logs) override {
    add("on_test_batch_end", step, logs);
  }
  void on_predict_begin() override { add("on_predict_begin"); }
  void on_predict_end() override { add("on_predict_end"); }
  void on_predict_batch_begin(std::int64_t step) override { add("on_predict_batch_begin", step); }
  void on_predict_batch_end(std::int64_t step, PredictionsView) override {
    add("on_predict_batch_end", step);
  }

 private:
  void add(std::string line, std::int64_t number = -1, const Logs& logs = {}) {
    if (number >= 0) line += format(' ', number);
    std::vector<std::string> names;
    for (const auto& [name, value] : logs) names.push_back(name);
    std::ranges::sort(names);
    for (const std::string& name : names) line += ' ' + name;
    lines.push_back(std::move(line));
  }

  std::int64_t epoch_ = 0;
};

class CallbackOrder : public testing::TestWithParam<const char*> {
 protected:
  Device device() const {
    return std::string(GetParam()) == "cpu" ? Device::cpu() : Device::simulated();
  }
  Sequential model() const {
    Sequential model({Input({3}), Dense(1)}, {.device = device()});
    model.compile({.optimizer = SGD(), .loss = "mse", .metrics = {"mae"}});
    return model;
  }
  const Tensor x = Tensor::uniform({10, 3});
  const Tensor y = Tensor::uniform({10, 1});
};

TEST_P(CallbackOrder, OfFitWithValidationIsKeras) {
  Recorder recorder;
  model().fit(x, y,
              {.epochs = 5,
               .verbose = 0,
               .batch_size = 4,
               .validation_data = {x, y},
               .validation_freq = 2,
               .callbacks = {recorder}});
  EXPECT_EQ(recorder.lines, recorded().at("fit"));
}

TEST_P(CallbackOrder, OfEvaluateIsKeras) {
  Recorder recorder;
  model().evaluate(x, y, {.verbose = 0, .batch_size = 4, .callbacks = {recorder}});
  EXPECT_EQ(recorder.lines, recorded().at("evaluate"));
}

TEST_P(CallbackOrder, OfPredictIsKeras) {
  Recorder recorder;
  model().predict(x, {.batch_size = 4, .callbacks = {recorder}});
  EXPECT_EQ(recorder.lines, recorded().at("predict"));
}

// ---- What the named callbacks decide (make_callback_decisions.py) ----

// A fit of a step an epoch, in which "val_loss" takes the values of the case, and the weights the
// number of the epoch.
History fit_with(Sequential& model, const Config& values, Callback& callback) {
  const auto play = [&](std::int64_t epoch, Logs& logs) {
    logs.set("val_loss", values[static_cast<std::size_t>(epoch)].number());
    std::vector<Tensor> weights = model.get_weights();
    for (Tensor& weight : weights) {
      std::ranges::fill(weight.data<float>(), static_cast<float>(epoch));
    }
    model.set_weights(weights);
  };
  return model.fit(Tensor::uniform({1, 2}), Tensor::uniform({1, 1}),
                   {.epochs = static_cast<std::int64_t>(values.size()),
                    .verbose = 0,
                    .callbacks = {LambdaCallback{.on_epoch_end = play}, callback}});
}

std::optional<double> number_or_none(const Config* value) {
  return value == nullptr || value->is_null() ? std::nullopt : std::optional(value->number());
}

TEST(CallbackDecisions, AreKeras) {
  std::ifstream file(test::source_folder() / "tests/golden/cases/callbacks/decisions.json");
  std::stringstream text;
  text << file.rdbuf();
  int cases = 0;
  const Config all = Config::from_json(text.str());
  for (const Config& one : all.list_items()) {
    SCOPED_TRACE(one["options"].to_json());
    ++cases;
    const Config& options = one["options"];
    const Config& expected = one["expected"];
    Sequential model({Input({2}), Dense(1)}, {.device = Device::cpu()});
    model.compile({.optimizer = SGD({.learning_rate = 0.5}), .loss = "mse"});
    if (one["class"].string() == "EarlyStopping") {
      EarlyStopping callback({.min_delta = options["min_delta"].number(),
                              .patience = options["patience"].integer(),
                              .mode = options["mode"].string(),
                              .baseline = number_or_none(options.find("baseline")),
                              .restore_best_weights = options["restore_best_weights"].boolean(),
                              .start_from_epoch = options["start_from_epoch"].integer()});
      const History history = fit_with(model, one["values"], callback);
      EXPECT_EQ(static_cast<std::int64_t>(history.epoch.size()), expected["epochs"].integer());
      EXPECT_EQ(callback.stopped_epoch(), expected["stopped_epoch"].integer());
      EXPECT_EQ(callback.best_epoch(), expected["best_epoch"].integer());
      EXPECT_EQ(callback.best(), number_or_none(&expected["best"]));
      EXPECT_EQ(model.get_weights()[0].data<float>()[0], expected["weights"].number());
    } else {
      ReduceLROnPlateau callback({.factor = options["factor"].number(),
                                  .patience = options["patience"].integer(),
                                  .mode = options["mode"].string(),
                                  .min_delta = options["min_delta"].number(),
                                  .cooldown = options["cooldown"].integer(),
                                  .min_lr = options["min_lr"].number()});
      const History history = fit_with(model, one["values"], callback);
      // The logs have the rate from before the callback's decision.
      std::vector<double> rates(history["learning_rate"].begin() + 1,
                                history["learning_rate"].end());
      rates.push_back(model.learning_rate());
      for (std::size_t i = 0; i < rates.size(); ++i) {
        EXPECT_FLOAT_EQ(static_cast<float>(rates[i]),
                        static_cast<float>(expected["rates"][i].number()))
            << "epoch " << i;
      }
    }
  }
  EXPECT_EQ(cases, 80);
}

INSTANTIATE_TEST_SUITE_P(On, CallbackOrder, testing::Values("cpu", "simulated"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace stoker

// The hooks of callbacks are called once each, in Keras's order, with Keras's numbers and logs.
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <algorithm>
#include <fstream>
#include <map>
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

INSTANTIATE_TEST_SUITE_P(On, CallbackOrder, testing::Values("cpu", "simulated"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace stoker

// A model in use: another call on it is refused at once, whichever it is, and nothing is lost.
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <atomic>
#include <cmath>
#include <functional>
#include <thread>

#include "support/contains.h"
#include "support/message.h"

namespace stoker {
namespace {

Sequential regressor(Device device = Device::cpu()) {
  Sequential model({Input({4}), Dense(8, {.activation = "relu"}), Dense(1)},
                   {.name = "own", .device = device});
  model.compile({.optimizer = SGD(), .loss = "mse"});
  return model;
}

const Tensor& inputs() {
  static const Tensor x = Tensor::uniform({8, 4});
  return x;
}
const Tensor& targets() {
  static const Tensor y = Tensor::uniform({8, 1});
  return y;
}

struct Call {
  const char* name;
  std::function<void(Sequential&)> make;
};

std::vector<Call> calls() {
  return {
      {"compile", [](Sequential& m) { m.compile({.optimizer = SGD(), .loss = "mse"}); }},
      {"fit", [](Sequential& m) { m.fit(inputs(), targets(), {.verbose = 0}); }},
      {"evaluate", [](Sequential& m) { m.evaluate(inputs(), targets(), {.verbose = 0}); }},
      {"predict", [](Sequential& m) { m.predict(inputs()); }},
      {"train_on_batch", [](Sequential& m) { m.train_on_batch(inputs(), targets()); }},
      {"test_on_batch", [](Sequential& m) { m.test_on_batch(inputs(), targets()); }},
      {"take_on_batch_report", [](Sequential& m) { m.take_on_batch_report(); }},
      {"get_weights", [](Sequential& m) { m.get_weights(); }},
      {"set_weights", [](Sequential& m) { m.set_weights({}); }},
      {"learning_rate", [](Sequential& m) { m.learning_rate(); }},
      {"set_learning_rate", [](Sequential& m) { m.set_learning_rate(0.5); }},
      {"iterations", [](Sequential& m) { m.iterations(); }},
      {"loss_scale", [](Sequential& m) { m.loss_scale(); }},
      {"graph_dump", [](Sequential& m) { m.graph_dump(); }},
      {"memory_report", [](Sequential& m) { m.memory_report(); }},
      {"memory_report", [](Sequential& m) { m.memory_report(4); }},
      {"add", [](Sequential& m) { m.add(Dense(1)); }},
  };
}

// What `call` says when a generator of the model's own fit makes it.
std::string inside_fit(Sequential& model, const Call& call) {
  std::string message;
  auto batches = generator<float, float>(
      {.x = {8, 4}, .y = {8, 1}}, [&](BatchContext& batch, std::span<float> x, std::span<float> y) {
        batch.random.fill_uniform(x);
        batch.random.fill_uniform(y);
        if (batch.index == 1) {
          message = test::message_of<ValueError>([&] { call.make(model); });
        }
      });
  const History history = model.fit(batches, {.steps_per_epoch = 4, .verbose = 0});
  EXPECT_TRUE(std::isfinite(history["loss"].back()));
  return message;
}

TEST(Use, ACallFromTheModelsOwnGeneratorIsRefused) {
  for (const Device& device : {Device::cpu(), Device::simulated()}) {
    for (const Call& call : calls()) {
      Sequential model = regressor(device);
      const std::string message = inside_fit(model, call);
      EXPECT_TRUE(test::contains(message, "Model \"own\": " + std::string(call.name) + ":"));
      EXPECT_TRUE(test::contains(message, "fit is under way on it"));
      EXPECT_EQ(model.iterations(), 4);
    }
  }
}

TEST(Use, TheRefusalEndsAFitWhoseGeneratorLetsItThrough) {
  Sequential model = regressor();
  auto batches = generator<float, float>(
      {.x = {8, 4}, .y = {8, 1}},
      [&](BatchContext&, std::span<float>, std::span<float>) { model.predict(inputs()); });
  const std::string message = test::message_of<DataError>(
      [&] { model.fit(batches, {.steps_per_epoch = 4, .verbose = 0}); });
  EXPECT_TRUE(test::contains(message, "batch 1"));
  EXPECT_TRUE(test::contains(message, "predict"));
  model.predict(inputs());
}

TEST(Use, EvaluationsAndPredictionsExcludeOthersToo) {
  Sequential model = regressor();
  std::string message;
  auto batches = generator<float>({.x = {8, 4}}, [&](BatchContext& batch, std::span<float> x) {
    batch.random.fill_uniform(x);
    if (batch.index == 1) {
      message = test::message_of<ValueError>([&] { model.train_on_batch(inputs(), targets()); });
    }
  });
  model.predict(batches, {.steps = 3});
  EXPECT_TRUE(test::contains(message, "predict is under way on it"));
}

TEST(Use, SeveralThreadsMayReadAtATime) {
  Sequential model = regressor(Device::simulated());
  std::atomic<int> refused{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) {
        try {
          model.get_weights();
          model.iterations();
        } catch (const ValueError&) {
          ++refused;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(refused.load(), 0);
}

TEST(Use, AModelThatWasMovedFromSaysSo) {
  std::vector<Call> all = calls();
  all.push_back({"summary", [](Sequential& m) { m.summary(); }});
  all.push_back({"name", [](Sequential& m) { (void)m.name(); }});
  all.push_back({"weight_names", [](Sequential& m) { m.weight_names(); }});
  all.push_back({"count_params", [](Sequential& m) { m.count_params(); }});
  for (const Call& call : all) {
    if (std::string(call.name) == "add") continue;  // builds a new one from its layers
    Sequential model = regressor();
    const Sequential other = std::move(model);
    const std::string message = test::message_of<ValueError>([&] { call.make(model); });
    EXPECT_TRUE(test::contains(message, call.name));
    EXPECT_TRUE(test::contains(message, "moved from"));
  }
}

}  // namespace
}  // namespace stoker

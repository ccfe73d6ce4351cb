// Whole trainings against Keras, through Model alone: the loss of each step or epoch, the final
// weights, predictions.
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "support/device_under_test.h"
#include "support/golden.h"

namespace stoker::test {
namespace {

Model model_from(const GoldenCase& golden, const ModelOptions& options) {
  return Model::from_config(golden.object().set("compile_config", golden.info["compile"]), options);
}

// The names of the weights are Keras's, in Keras's order.
void expect_names_of_weights(const Model& model, const GoldenCase& golden) {
  std::vector<std::string> names;
  for (const Config& weight : golden.info["weights"].list_items()) {
    names.push_back(weight["name"].string());
  }
  EXPECT_EQ(model.weight_names(), names);
}

void set_initial_weights(Model& model, const GoldenCase& golden) {
  std::vector<Tensor> weights;
  for (const std::string& name : model.weight_names()) {
    weights.push_back(golden.tensor("initial/" + name));
  }
  model.set_weights(weights);
}

void compare_final_weights(const Model& model, GoldenComparison& comparison) {
  const std::vector<Tensor> weights = model.get_weights();
  for (std::size_t i = 0; i < weights.size(); ++i) {
    comparison.expect("final/" + model.weight_names()[i], weights[i].data<float>());
  }
}

std::map<std::int64_t, double> class_weights(const Config& options) {
  std::map<std::int64_t, double> weights;
  if (const Config* given = options.find("class_weight")) {
    for (const auto& [number, weight] : given->members()) {
      weights[std::stoll(number)] = weight.number();
    }
  }
  return weights;
}

// The tensor of that name, or those of it that are numbered: x0, x1, ...
std::vector<Tensor> tensors_of(const GoldenCase& golden, const std::string& name) {
  if (golden.has(name)) return {golden.tensor(name)};
  std::vector<Tensor> tensors;
  while (golden.has(name + std::to_string(tensors.size()))) {
    tensors.push_back(golden.tensor(name + std::to_string(tensors.size())));
  }
  return tensors;
}

// Batch `t` of tensors of shape (batches, batch size, ...).
std::vector<Tensor> batch_of(std::vector<Tensor> batches, std::int64_t t) {
  for (Tensor& tensor : batches) {
    const std::int64_t i = t % tensor.shape()[0];
    tensor = tensor.rows(i, i + 1).reshaped(tensor.shape().without_batch());
  }
  return batches;
}

// The weights of a batch's samples: given, by their classes, or none.
std::vector<Tensor> sample_weights(const GoldenCase& golden, const std::vector<Tensor>& y,
                                   std::int64_t t) {
  const auto by_class = class_weights(golden.info);
  if (by_class.empty()) return batch_of(tensors_of(golden, "sample_weight"), t);
  Tensor weights(y.at(0).shape());
  for (std::int64_t i = 0; i < weights.size(); ++i) {
    const auto row = static_cast<std::size_t>(i);
    weights.data<float>()[row] = static_cast<float>(by_class.at(y[0].data<std::int32_t>()[row]));
  }
  return {weights};
}

// The name of a step's loss, or another of its logs, among the expected tensors. The other ones
// are not in every case.
std::string name_of_log(const std::string& key) { return key == "loss" ? key : "log/" + key; }

bool expects_all_logs(const GoldenCase& golden) {
  const auto& expected = golden.info["expected"].members();
  return std::any_of(expected.begin(), expected.end(),
                     [](const auto& entry) { return entry.first.starts_with("log/"); });
}

void train_by_steps(Model& model, const GoldenCase& golden, GoldenComparison& comparison) {
  const std::vector<Tensor> x = tensors_of(golden, "x"), y = tensors_of(golden, "y");
  std::map<std::string, std::vector<float>> logs;
  for (std::int64_t t = 0; t < golden.info["steps"].integer(); ++t) {
    const std::vector<Tensor> targets = batch_of(y, t);
    for (const auto& [key, value] :
         model.train_on_batch(batch_of(x, t), targets, sample_weights(golden, targets, t))) {
      logs[key].push_back(static_cast<float>(value));
    }
  }
  for (const auto& [key, values] : logs) {
    if (key == "loss" || expects_all_logs(golden)) comparison.expect(name_of_log(key), values);
  }
  const std::vector<Tensor> predictions = model.predict_outputs(batch_of(x, 0));
  for (std::size_t i = 0; i < predictions.size(); ++i) {
    const std::string number = predictions.size() > 1 ? std::to_string(i) : "";
    comparison.expect("prediction" + number, predictions[i].data<float>());
  }
}

void train_by_fit(Model& model, const GoldenCase& golden, GoldenComparison& comparison) {
  const Config& fit = golden.info["fit"];
  const History history =
      model.fit(tensors_of(golden, "x"), tensors_of(golden, "y"),
                {.epochs = fit["epochs"].integer(),
                 .verbose = 0,
                 .batch_size = fit["batch_size"].integer(),
                 .validation_data = ValidationData{tensors_of(golden, "validation_x"),
                                                   tensors_of(golden, "validation_y")},
                 .shuffle = fit["shuffle"].boolean(),
                 .class_weight = class_weights(fit)});
  for (const auto& [name, values] : history.history) {
    if (name.starts_with("feed_")) continue;  // ours alone
    comparison.expect("history/" + name, std::vector<float>(values.begin(), values.end()));
  }
}

void expect_trains_as_keras(Model& model, const GoldenCase& golden) {
  GoldenComparison comparison(golden);
  expect_names_of_weights(model, golden);
  set_initial_weights(model, golden);
  if (golden.info.find("fit") != nullptr) {
    train_by_fit(model, golden, comparison);
  } else {
    train_by_steps(model, golden, comparison);
  }
  compare_final_weights(model, comparison);
}

class GoldenTrajectory : public ::testing::TestWithParam<std::string> {};

TEST_P(GoldenTrajectory, TrainsAsKerasDoes) {
  const GoldenCase golden = load_golden("trajectories", GetParam());
  const ModelOptions variants[] = {{.threads = 1, .device = Device::cpu()},
                                   {.threads = 2, .device = Device::cpu()},
                                   {.threads = 1, .device = Device::simulated()},
                                   {.threads = 1, .device = Device(device_under_test().device)}};
  for (const ModelOptions& options : variants) {
    SCOPED_TRACE(options.device.name() + ", threads: " + std::to_string(options.threads));
    Model model = model_from(golden, options);
    expect_trains_as_keras(model, golden);
  }
}

TEST_P(GoldenTrajectory, TrainsAsKerasDoesAfterItsOwnJsonWasRead) {
  const GoldenCase golden = load_golden("trajectories", GetParam());
  const ModelOptions options{.threads = 1, .device = Device::cpu()};
  const std::string json = model_from(golden, options).to_json();
  Model model = Model::from_json(json, options);
  EXPECT_EQ(model.to_json(), json);
  expect_trains_as_keras(model, golden);
}

INSTANTIATE_TEST_SUITE_P(Keras, GoldenTrajectory, ::testing::ValuesIn(golden_names("trajectories")),
                         golden_test_name);

}  // namespace
}  // namespace stoker::test

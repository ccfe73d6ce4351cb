// Whole trainings against Keras, through Model alone: the loss of each step or epoch, the final
// weights, a prediction.
#include <gtest/gtest.h>
#include <stoker/stoker.h>

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

// Batch `t` of a tensor of shape (batches, batch size, ...).
Tensor batch_of(const Tensor& batches, std::int64_t t) {
  const std::int64_t i = t % batches.shape()[0];
  return batches.rows(i, i + 1).reshaped(batches.shape().without_batch());
}

// The weights of a batch's samples: given, by their classes, or none.
Tensor sample_weights(const GoldenCase& golden, const Tensor& y, std::int64_t t) {
  if (golden.has("sample_weight")) return batch_of(golden.tensor("sample_weight"), t);
  const auto by_class = class_weights(golden.info);
  if (by_class.empty()) return {};
  Tensor weights(y.shape());
  for (std::int64_t i = 0; i < y.size(); ++i) {
    const auto row = static_cast<std::size_t>(i);
    weights.data<float>()[row] = static_cast<float>(by_class.at(y.data<std::int32_t>()[row]));
  }
  return weights;
}

void train_by_steps(Model& model, const GoldenCase& golden, GoldenComparison& comparison) {
  std::vector<float> losses;
  for (std::int64_t t = 0; t < golden.info["steps"].integer(); ++t) {
    const Tensor y = batch_of(golden.tensor("y"), t);
    const Logs logs =
        model.train_on_batch(batch_of(golden.tensor("x"), t), y, sample_weights(golden, y, t));
    losses.push_back(static_cast<float>(logs.loss()));
  }
  comparison.expect("loss", losses);
  const Tensor prediction = model.predict(batch_of(golden.tensor("x"), 0));
  comparison.expect("prediction", prediction.data<float>());
}

void train_by_fit(Model& model, const GoldenCase& golden, GoldenComparison& comparison) {
  const Config& fit = golden.info["fit"];
  const History history =
      model.fit(golden.tensor("x"), golden.tensor("y"),
                {.epochs = fit["epochs"].integer(),
                 .verbose = 0,
                 .batch_size = fit["batch_size"].integer(),
                 .validation_data =
                     ValidationData{golden.tensor("validation_x"), golden.tensor("validation_y")},
                 .shuffle = fit["shuffle"].boolean(),
                 .class_weight = class_weights(fit)});
  for (const auto& [name, values] : history.history) {
    if (name.starts_with("feed_")) continue;  // ours alone
    comparison.expect("history/" + name, std::vector<float>(values.begin(), values.end()));
  }
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
    GoldenComparison comparison(golden);
    Model model = model_from(golden, options);
    set_initial_weights(model, golden);
    if (golden.info.find("fit") != nullptr) {
      train_by_fit(model, golden, comparison);
    } else {
      train_by_steps(model, golden, comparison);
    }
    compare_final_weights(model, comparison);
  }
}

INSTANTIATE_TEST_SUITE_P(Keras, GoldenTrajectory, ::testing::ValuesIn(golden_names("trajectories")),
                         golden_test_name);

}  // namespace
}  // namespace stoker::test

// What the logs of models with several outputs are called: as in Keras.
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <string>
#include <utility>
#include <vector>

namespace stoker {
namespace {

Model two_outputs() {
  const Value x = Input({3});
  return Model(x, {Dense(2, {.name = "a"})(x), Dense(1, {.name = "b"})(x)});
}

std::vector<std::string> names_of_logs(CompileOptions options) {
  Model model = two_outputs();
  model.compile(std::move(options));
  const Logs logs = model.train_on_batch(
      Tensor::normal({4, 3}, 0.0f, 1.0f, 1),
      {Tensor::normal({4, 2}, 0.0f, 1.0f, 2), Tensor::normal({4, 1}, 0.0f, 1.0f, 3)});
  std::vector<std::string> names;
  for (const auto& [name, value] : logs) names.push_back(name);
  return names;
}

using Names = std::vector<std::string>;

TEST(SeveralLogs, BeginWithTheLossesOfTheOutputs) {
  EXPECT_EQ(names_of_logs({.loss = "mse", .metrics = {{"b", {"mae"}}}}),
            (Names{"loss", "a_loss", "b_loss", "b_mae"}));
}

TEST(SeveralLogs, LeaveOutTheOnlyLossOfAnOutput) {
  EXPECT_EQ(names_of_logs({.loss = {"mse", Loss()}, .metrics = {{"b", {"mae"}}}}),
            (Names{"loss", "b_mae"}));
}

TEST(SeveralLogs, NumberMetricsOfOneName) {
  EXPECT_EQ(names_of_logs({.loss = {"mse", Loss()},
                           .metrics = {{"a", {"mae", "mae"}}},
                           .weighted_metrics = {{"a", {"mae", "mae"}}, {"b", {"mae"}}}}),
            (Names{"loss", "a_mae", "a_mae_1", "a_weighted_mae", "a_weighted_mae_1", "b_mae"}));
}

TEST(SeveralLogs, ReadBackFromJsonHaveTheSameNames) {
  Model model = two_outputs();
  model.compile({.loss = {"mse", Loss()}, .metrics = {{"b", {"mae", "mse"}}, {"a", {"mse"}}}});
  const std::string json = model.to_json();
  EXPECT_EQ(Model::from_json(json).to_json(), json);
}

}  // namespace
}  // namespace stoker

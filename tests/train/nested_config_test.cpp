// Models that hold models, to Keras's JSON and from it.
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <string>

#include "support/contains.h"
#include "support/message.h"

namespace stoker {
namespace {

using test::contains;
using test::message_of;

// A model whose only layer is a model of two inputs.
Model nested() {
  const Value a = Input({3}, {.name = "a"});
  const Value b = Input({3}, {.name = "b"});
  const Model inner({a, b}, Dense(2, {.name = "dense"})(Add()({a, b})), {.name = "inner"});
  const Value x = Input({3}, {.name = "x"});
  return Model(x, inner({x, x}), {.name = "outer"});
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.rfind(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(NestedConfig, CountsCallsOfAFunctionalModelFromOneAmongTheOutputs) {
  const std::string json = nested().to_json();
  EXPECT_TRUE(contains(json, R"("output_layers": ["inner", 1, 0])")) << json;
  EXPECT_EQ(Model::from_json(json).to_json(), json);
  EXPECT_TRUE(contains(message_of<ValueError>([&] {
                         Model::from_json(
                             replaced(json, R"(["inner", 1, 0])", R"(["inner", 0, 0])"));
                       }),
                       R"(output_layers: expected a call of "inner" from 1 to 1, received 0)"));
}

TEST(NestedConfig, ReadsAMaskThatIsNoneForEachInput) {
  const std::string json = nested().to_json();
  const std::string with_masks =
      replaced(json, R"("kwargs": {})", R"("kwargs": {"mask": [null, null]})");
  EXPECT_EQ(Model::from_json(with_masks).to_json(), json);
}

TEST(NestedConfig, ReadsMetricsOfNoneForAnOutput) {
  const Value x = Input({3});
  Model model(x, {Dense(2, {.name = "a"})(x), Dense(1, {.name = "b"})(x)});
  model.compile({.loss = "mse", .metrics = {{"a", {"mae"}}, {"b", {"mse"}}}});
  const std::string json = replaced(model.to_json(), R"("weighted_metrics": [])",
                                    R"("weighted_metrics": {"a": "mae", "b": null})");
  Model again = Model::from_json(json);
  const Logs logs = again.train_on_batch(Tensor({4, 3}), {Tensor({4, 2}), Tensor({4, 1})});
  EXPECT_TRUE(logs.contains("a_weighted_mae"));
  EXPECT_EQ(logs.size(), 6u);
}

}  // namespace
}  // namespace stoker

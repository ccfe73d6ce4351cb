// Layers against Keras: outputs, gradients of inputs and weights, penalties, updated statistics.
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "golden/program.h"
#include "layers/layer.h"
#include "ops/ops.h"
#include "plan/autodiff.h"
#include "support/golden.h"

namespace stoker::test {
namespace {

using graph::Value;

// Weights from the case; keeps what the layer leaves for the step.
class CaseContext final : public layers::BuildContext {
 public:
  CaseContext(Program& program, const GoldenCase& golden, bool training)
      : program_(program), golden_(golden), training_(training) {}

  graph::Graph& graph() override { return program_.graph(); }
  bool training() const override { return training_; }
  DType compute_dtype() const override { return DType::float32; }
  Value weight(const layers::WeightSpec& spec) override {
    const Tensor& content = golden_.tensor("w/" + spec.name);
    EXPECT_EQ(spec.shape, content.shape()) << spec.name;
    const Value leaf = program_.weight(spec.name, content);
    weights[spec.name] = leaf;
    if (spec.regularizer) add_loss(layers::penalty(spec.regularizer, leaf));
    return leaf;
  }
  void update(const layers::WeightSpec& spec, Value value) override { updates[spec.name] = value; }
  void add_loss(Value value) override { loss = loss ? ops::add(loss, value) : value; }
  std::uint32_t random_stream(std::uint32_t which) override { return which + 1; }

  std::map<std::string, Value> weights;
  std::map<std::string, Value> updates;
  Value loss;  // of the layer itself

 private:
  Program& program_;
  const GoldenCase& golden_;
  const bool training_;
};

// The layer's one output, and its mask.
layers::MaskedValue output_of(const GoldenCase& golden, Program& program, const Layer& layer,
                              CaseContext& context, const std::vector<Value>& inputs) {
  std::vector<layers::MaskedValue> values;
  for (const Value& input : inputs) values.push_back({input});
  if (const Config* mask = golden.info["call"]["kwargs"].find("mask")) {
    const std::string& name = mask->string();
    values.at(0).mask = ops::to_float(program.input(name, golden.tensor(name)));
  }
  const auto outputs = context.call(*layer.base(), values);
  EXPECT_EQ(outputs.size(), 1u);
  return outputs.at(0);
}

// The values to compare, by the names of the expected tensors.
using Results = std::map<std::string, Value>;

void run(Program& program, const Results& results, const Variant& variant,
         GoldenComparison& comparison) {
  std::vector<Value> values;
  for (const auto& [name, value] : results) values.push_back(value);
  const auto contents = program.run(variant, values);
  std::size_t i = 0;
  for (const auto& [name, value] : results) comparison.expect(name, contents[i++]);
}

// The names of the inputs: one, or the list that a merging layer is called with.
std::vector<std::string> input_names(const GoldenCase& golden) {
  const Config& argument = golden.info["call"]["args"].list_items().at(0);
  std::vector<std::string> names;
  if (argument.is_list()) {
    for (const Config& name : argument.list_items()) names.push_back(name.string());
  } else {
    names.push_back(argument.string());
  }
  return names;
}

std::vector<Value> inputs_of(const GoldenCase& golden, Program& program) {
  std::vector<Value> inputs;
  for (const std::string& name : input_names(golden)) {
    inputs.push_back(program.input(name, golden.tensor(name)));
  }
  return inputs;
}

// Gradients of sum(y * dy) and the layer's losses.
void add_gradients(const GoldenCase& golden, Program& program, CaseContext& context,
                   const std::vector<Value>& inputs, Value y, Results& results) {
  const Value dy = program.input("dy", golden.tensor("dy"));
  Value loss = ops::reduce_sum_all(ops::multiply(y, dy));
  if (context.loss) loss = ops::add(loss, context.loss);
  std::vector<std::string> names;
  std::vector<Value> leaves;
  const std::vector<std::string> given = input_names(golden);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (!is_floating(inputs[i].dtype())) continue;
    names.push_back("d" + given[i]);
    leaves.push_back(inputs[i]);
  }
  for (const auto& [name, leaf] : context.weights) {
    if (!golden.has("dw/" + name)) continue;
    names.push_back("dw/" + name);
    leaves.push_back(leaf);
  }
  const std::vector<Value> gradients = plan::differentiate(program.graph(), loss, leaves);
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    ASSERT_TRUE(gradients[i]) << "there is no " << names[i];
    results[names[i]] = gradients[i];
  }
}

void check_call(const GoldenCase& golden, const Layer& layer, const Variant& variant,
                GoldenComparison& comparison) {
  Program program;
  CaseContext context(program, golden, golden.info["call"]["training"].boolean());
  const std::vector<Value> inputs = inputs_of(golden, program);
  const auto [y, mask] = output_of(golden, program, layer, context, inputs);
  Results results{{"y", y}};
  if (comparison.expects("y_mask")) results["y_mask"] = mask;
  if (context.loss) results["layer_loss"] = context.loss;
  for (const auto& [name, value] : context.updates) results["after/" + name] = value;
  add_gradients(golden, program, context, inputs, y, results);
  run(program, results, variant, comparison);
}

// The call in inference mode, of a layer that differs there.
void check_inference(const GoldenCase& golden, const Layer& layer, const Variant& variant,
                     GoldenComparison& comparison) {
  Program program;
  CaseContext context(program, golden, false);
  const Value y = output_of(golden, program, layer, context, inputs_of(golden, program)).value;
  run(program, {{"y_infer", y}}, variant, comparison);
}

class GoldenLayer : public ::testing::TestWithParam<std::string> {};

TEST_P(GoldenLayer, ComputesWhatKerasDoes) {
  const GoldenCase golden = load_golden("layers", GetParam());
  const Layer layer = layer_from_config(golden.class_name(), golden.config());
  for (const Variant& variant : kVariants) {
    SCOPED_TRACE(variant.name);
    GoldenComparison comparison(golden);
    check_call(golden, layer, variant, comparison);
    if (comparison.expects("y_infer")) check_inference(golden, layer, variant, comparison);
  }
}

INSTANTIATE_TEST_SUITE_P(Keras, GoldenLayer, ::testing::ValuesIn(golden_names("layers")),
                         golden_test_name);

}  // namespace
}  // namespace stoker::test

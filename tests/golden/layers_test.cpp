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
    const std::string path = this->path() + spec.name;
    Value& leaf = weights[path];
    if (leaf) return leaf;
    const Tensor& content = golden_.tensor("w/" + path);
    EXPECT_EQ(spec.shape, content.shape()) << path;
    leaf = program_.weight(path, content);
    if (spec.regularizer) add_loss(layers::penalty(spec.regularizer, leaf));
    return leaf;
  }
  void update(const layers::WeightSpec& spec, Value value) override { updates[spec.name] = value; }
  void add_loss(Value value) override { loss = loss ? ops::add(loss, value) : value; }
  std::uint32_t random_stream(std::uint32_t which) override { return which + 1; }

  std::map<std::string, Value> weights;
  std::map<std::string, Value> updates;
  Value loss;          // of the layer itself
  std::string prefix;  // of paths, for a layer of a stack

 private:
  // Keras's path of the part that is being built.
  std::string path() const {
    std::string path = prefix;
    for (std::size_t i = 1; i < frames().size(); ++i) {
      for (const layers::Child& child : frames()[i - 1].layer->children()) {
        if (child.layer.get() == frames()[i].layer) path += child.name + "/";
      }
    }
    return path;
  }

  Program& program_;
  const GoldenCase& golden_;
  const bool training_;
};

// The layer, or the layers of a stack.
std::vector<Layer> layers_of(const GoldenCase& golden) {
  if (golden.class_name() != "Sequential") {
    return {layer_from_config(golden.class_name(), golden.config())};
  }
  std::vector<Layer> all;
  for (const Config& one : golden.config()["layers"].list_items()) {
    all.push_back(layer_from_config(one));
  }
  return all;
}

// The inputs of a call by name, each once.
using Inputs = std::map<std::string, Value>;

// The names of values in an argument, which is one or a list of them.
std::vector<std::string> names_in(const Config& argument) {
  if (!argument.is_list()) return {argument.string()};
  std::vector<std::string> names;
  for (const Config& name : argument.list_items()) names.push_back(name.string());
  return names;
}

// The names of the inputs: those that stand in order, or the list that a merging layer is called
// with, and states.
std::vector<std::string> input_names(const GoldenCase& golden) {
  std::vector<std::string> names;
  for (const Config& argument : golden.info["call"]["args"].list_items()) {
    for (const std::string& name : names_in(argument)) names.push_back(name);
  }
  if (const Config* states = golden.info["call"]["kwargs"].find("initial_state")) {
    for (const std::string& name : names_in(*states)) names.push_back(name);
  }
  return names;
}

Inputs inputs_of(const GoldenCase& golden, Program& program) {
  Inputs inputs;
  for (const std::string& name : input_names(golden)) {
    if (!inputs.contains(name)) inputs[name] = program.input(name, golden.tensor(name));
  }
  return inputs;
}

// The outputs, with their masks.
std::vector<layers::MaskedValue> outputs_of(const GoldenCase& golden, Program& program,
                                            const std::vector<Layer>& layers, CaseContext& context,
                                            const Inputs& inputs) {
  std::vector<layers::MaskedValue> values;
  for (const std::string& name : input_names(golden)) values.push_back({inputs.at(name)});
  layers::CallArguments arguments;
  for (const auto& [name, argument] : golden.info["call"]["kwargs"].members()) {
    if (argument == Config(true)) {
      arguments.flags.push_back(name);
    } else if (name == "initial_state") {
      continue;  // These are inputs already.
    } else if (name == "mask") {
      const std::vector<std::string> masks = names_in(argument);
      for (std::size_t i = 0; i < masks.size(); ++i) {
        values.at(i).mask = ops::to_float(program.input(masks[i], golden.tensor(masks[i])));
      }
    } else {
      arguments.named.push_back(name);
      const std::string& tensor = argument.string();
      values.push_back({program.input(tensor, golden.tensor(tensor))});
    }
  }
  for (const Layer& layer : layers) {
    if (layers.size() > 1) context.prefix = layer.name() + "/";
    values = context.call(*layer.base(), values, 0, arguments);
    arguments = {};  // They are the first layer's.
  }
  return values;
}

// Keras's name of a tensor that belongs to an output: "y", or "y1" for the second of several.
std::string name_of_output(const char* what, std::size_t output, std::size_t count) {
  return count == 1 ? what : what + std::to_string(output);
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

// Gradients of the sum of y * dy over all outputs, and of the layer's losses.
void add_gradients(const GoldenCase& golden, Program& program, CaseContext& context,
                   const Inputs& inputs, const std::vector<layers::MaskedValue>& outputs,
                   Results& results) {
  Value loss = context.loss;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const std::string name = name_of_output("dy", i, outputs.size());
    const Value dy = program.input(name, golden.tensor(name));
    const Value sum = ops::reduce_sum_all(ops::multiply(outputs[i].value, dy));
    loss = loss ? ops::add(loss, sum) : sum;
  }
  std::vector<std::string> names;
  std::vector<Value> leaves;
  for (const auto& [name, input] : inputs) {
    if (!is_floating(input.dtype())) continue;
    names.push_back("d" + name);
    leaves.push_back(input);
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

void check_call(const GoldenCase& golden, const std::vector<Layer>& layers, const Variant& variant,
                GoldenComparison& comparison) {
  Program program;
  CaseContext context(program, golden, golden.info["call"]["training"].boolean());
  const Inputs inputs = inputs_of(golden, program);
  const auto outputs = outputs_of(golden, program, layers, context, inputs);
  Results results;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    results[name_of_output("y", i, outputs.size())] = outputs[i].value;
  }
  if (comparison.expects("y_mask")) results["y_mask"] = outputs.at(0).mask;
  if (context.loss) results["layer_loss"] = context.loss;
  for (const auto& [name, value] : context.updates) results["after/" + name] = value;
  add_gradients(golden, program, context, inputs, outputs, results);
  run(program, results, variant, comparison);
}

// The call in inference mode, of a layer that differs there.
void check_inference(const GoldenCase& golden, const std::vector<Layer>& layers, const Variant& variant,
                     GoldenComparison& comparison) {
  Program program;
  CaseContext context(program, golden, false);
  const Value y =
      outputs_of(golden, program, layers, context, inputs_of(golden, program)).at(0).value;
  run(program, {{"y_infer", y}}, variant, comparison);
}

class GoldenLayer : public ::testing::TestWithParam<std::string> {};

TEST_P(GoldenLayer, ComputesWhatKerasDoes) {
  const GoldenCase golden = load_golden("layers", GetParam());
  const std::vector<Layer> layers = layers_of(golden);
  for (const Variant& variant : kVariants) {
    SCOPED_TRACE(variant.name);
    GoldenComparison comparison(golden);
    check_call(golden, layers, variant, comparison);
    if (comparison.expects("y_infer")) check_inference(golden, layers, variant, comparison);
  }
}

INSTANTIATE_TEST_SUITE_P(Keras, GoldenLayer, ::testing::ValuesIn(golden_names("layers")),
                         golden_test_name);

}  // namespace
}  // namespace stoker::test

// Exports models with every layer and every activation, with inputs and what Stoker predicts.
// usage: stoker_onnx_models FOLDER
#include <stoker/stoker.h>

#include <cstdio>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "keras/models.h"
#include "layers/layer.h"
#include "layers/registry.h"
#include "support/golden.h"

namespace stoker::test {
namespace {

// Writes <name>.onnx, <name>.x.npz and <name>.y.npz, whose members are in order.
void write(const std::string& folder, const std::string& name, Model& model,
           const std::vector<Tensor>& inputs) {
  const std::string path = folder + "/" + name;
  model.export_onnx(path + ".onnx");
  std::map<std::string, Tensor> x, y;
  for (std::size_t i = 0; i < inputs.size(); ++i) x["x" + std::to_string(i)] = inputs[i];
  const std::vector<Tensor> outputs = model.predict_outputs(inputs);
  for (std::size_t i = 0; i < outputs.size(); ++i) y["y" + std::to_string(i)] = outputs[i];
  write_npz(path + ".x.npz", x);
  write_npz(path + ".y.npz", y);
}

// A layer of a golden case, with the weights of that.
void write_golden(const std::string& folder, const std::string& name) {
  const GoldenCase golden = load_golden("layers", name);
  std::vector<Tensor> tensors;
  std::map<std::string, Value> inputs;
  std::vector<Value> values, given;
  const auto add = [&](const std::string& tensor) {
    const auto [input, is_new] = inputs.try_emplace(tensor);
    if (is_new) {
      const Tensor& x = tensors.emplace_back(golden.tensor(tensor));
      input->second = Input(x.shape().without_batch(), {.dtype = name_of(x.dtype())});
      given.push_back(input->second);
    }
    values.push_back(input->second);
  };
  for (const Config& argument : golden.info["call"]["args"].list_items()) {
    if (!argument.is_list()) {
      add(argument.string());
      continue;
    }
    for (const Config& one : argument.list_items()) add(one.string());
  }
  layers::CallArguments arguments;
  for (const auto& [key, argument] : golden.info["call"]["kwargs"].members()) {
    if (argument == Config(true)) arguments.flags.push_back(key);
    if (key != "attention_mask") continue;
    arguments.named.push_back(key);
    add(argument.string());
  }
  if (const Config* states = golden.info["call"]["kwargs"].find("initial_state")) {
    for (const Config& one : states->list_items()) add(one.string());
  }
  std::vector<Value> outputs = values;
  if (golden.class_name() == "Sequential") {
    for (const Config& one : golden.config()["layers"].list_items()) {
      outputs = layer_from_config(one).call(outputs);
    }
  } else {
    const Layer layer = layer_from_config(golden.class_name(), golden.config());
    outputs = layers::call(layer.base(), values, arguments);
  }
  Model model(given, outputs);
  std::vector<Tensor> weights;
  for (const std::string& path : model.weight_names()) {
    // A layer's parts stand below its own name.
    const std::string own = path.substr(path.find('/') + 1);
    weights.push_back(golden.tensor("w/" + (golden.class_name() == "Sequential" ? path : own)));
  }
  model.set_weights(weights);
  write(folder, name, model, tensors);
}

std::vector<std::pair<Shape, Layer>> layers_without_a_case() {
  const Shape image{7, 6, 2}, volume{4, 5, 6, 2};
  return {{image, CenterCrop(3, 4)},
          {image, EinsumDense("abcd,dce->abe", {-1, 5}, {.bias_axes = "e"})},
          {volume, Cropping3D()},
          {volume, GlobalAveragePooling3D()},
          {volume, GlobalMaxPooling3D({.keepdims = true})},
          {image, Resizing(4, 9)},
          {volume, SpatialDropout3D(0.5)},
          {{3, 6, 5, 2}, ConvLSTM2D(3, 2, {.return_sequences = true})},
          {{5, 4}, RNN({LSTMCell(3), GRUCell(2), SimpleRNNCell(3)})},
          {volume, UpSampling3D({1, 2, 3})},
          {volume, ZeroPadding3D({1, 0, {2, 1}})}};
}

int run(const std::string& folder) {
  std::set<std::string> classes{"InputLayer"};
  for (const std::string& name : golden_names("layers")) {
    classes.insert(load_golden("layers", name).class_name());
    write_golden(folder, name);
  }
  for (const auto& [shape, layer] : layers_without_a_case()) {
    classes.insert(layer.class_name());
    Sequential model({Input(shape), layer});
    write(folder, layer.class_name(), model, {Tensor::normal(shape.with_batch(3), 0.0f, 1.0f, 1)});
  }
  int missing = 0;
  for (const layers::LayerClass& layer : layers::layer_classes()) {
    // Cells are in the layers that take sequences through them.
    const std::string name(layer.name);
    if (classes.contains(name) || name.ends_with("Cell") || name.ends_with("Cells")) continue;
    std::printf("no case has the layer %s\n", name.c_str());
    ++missing;
  }
  for (const char* activation :
       {"hard_tanh", "hard_shrink", "soft_shrink", "tanh_shrink", "squareplus", "sparse_plus",
        "sparse_sigmoid", "sparsemax", "threshold", "glu"}) {
    Sequential model({Input({6}), Activation(activation)});
    write(folder, activation, model, {Tensor::normal({5, 6}, 0.0f, 2.0f, 1)});
  }
  for (auto& [name, exchanged] : models()) {
    write(folder, name, exchanged.model, exchanged.inputs);
  }
  return missing == 0 ? 0 : 1;
}

}  // namespace
}  // namespace stoker::test

int main(int count, char** arguments) {
  if (count != 2) {
    std::fprintf(stderr, "usage: %s FOLDER\n", arguments[0]);
    return 2;
  }
  return stoker::test::run(arguments[1]);
}

// Models that go to Keras and come back: stoker_keras_exchange write FOLDER, then
// exchange_with_keras.py FOLDER, then stoker_keras_exchange read FOLDER.
//
// For each model: <name>.json, its weights and inputs (<name>.weight.0.npy, <name>.input.0.npy,
// ...) and what it predicts (<name>.output.0.npy, ...). Keras answers with <name>.back.json and
// <name>.back.npz.
#include <stoker/stoker.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include "keras/models.h"

using namespace stoker;  // NOLINT(google-build-using-namespace)

namespace {

namespace fs = std::filesystem;
using test::kRows;
using test::models;

std::vector<Tensor> predicted(Model& model, const std::vector<Tensor>& inputs) {
  return model.predict_outputs(array_source(inputs, {}, std::nullopt, {.batch_size = kRows}));
}

// Also biases and moving statistics become numbers of which each counts.
void scatter_weights(Model& model) {
  std::vector<Tensor> weights = model.get_weights();
  std::uint64_t seed = 10;
  for (Tensor& weight : weights) {
    const Tensor noise = Tensor::normal(weight.shape(), 0.0f, 0.1f, ++seed);
    const auto from = noise.data<float>();
    const auto to = weight.data<float>();
    for (std::size_t i = 0; i < to.size(); ++i) to[i] += from[i];
  }
  model.set_weights(weights);
}

fs::path file_of(const fs::path& folder, const std::string& name, const std::string& what,
                 std::size_t number) {
  return folder / (name + "." + what + "." + std::to_string(number) + ".npy");
}

void write(const fs::path& folder) {
  for (auto& [name, exchanged] : models()) {
    auto& model = exchanged.model;
    const auto& inputs = exchanged.inputs;
    const auto put = [&, &name = name](const std::string& what,
                                       const std::vector<Tensor>& tensors) {
      for (std::size_t i = 0; i < tensors.size(); ++i) {
        write_npy(file_of(folder, name, what, i).string(), tensors[i]);
      }
    };
    scatter_weights(model);
    std::ofstream(folder / (name + ".json")) << model.to_json(1);
    put("weight", model.get_weights());
    put("input", inputs);
    put("output", predicted(model, inputs));
  }
}

std::string text_of(const fs::path& path) {
  std::ifstream file(path);
  if (!file) throw IoError(path.string() + ": expected what Keras wrote, found none");
  return {std::istreambuf_iterator<char>(file), {}};
}

bool are_equal(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && a.dtype() == b.dtype() &&
         std::memcmp(a.raw(), b.raw(), a.bytes()) == 0;
}

// What is wrong with a model that came back, or nothing.
std::string fault_of(const fs::path& folder, const std::string& name,
                     const std::vector<Tensor>& inputs) {
  Model model = Model::from_json(text_of(folder / (name + ".back.json")));
  if (model.to_json(1) != text_of(folder / (name + ".json"))) {
    std::ofstream(folder / (name + ".again.json")) << model.to_json(1);
    return "what Keras wrote is another model: compare " + name + ".json and " + name +
           ".again.json";
  }
  const std::map<std::string, Tensor> back = read_npz((folder / (name + ".back.npz")).string());
  std::vector<Tensor> weights;
  for (std::size_t i = 0; i < model.get_weights().size(); ++i) {
    weights.push_back(back.at("weight_" + std::to_string(i)));
    if (!are_equal(weights.back(), read_npy(file_of(folder, name, "weight", i).string()))) {
      return "weight " + std::to_string(i) + " is another one";
    }
  }
  model.set_weights(weights);
  const std::vector<Tensor> outputs = predicted(model, inputs);
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const Tensor expected = read_npy(file_of(folder, name, "output", i).string());
    if (!are_equal(outputs[i], expected)) return "it predicts something else";
  }
  return "";
}

int read(const fs::path& folder) {
  int faults = 0;
  for (auto& [name, exchanged] : models()) {
    const std::string fault = fault_of(folder, name, exchanged.inputs);
    std::cout << name << ": " << (fault.empty() ? "came back as it was" : fault) << '\n';
    faults += fault.empty() ? 0 : 1;
  }
  return faults == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc == 3 ? argv[1] : "";
  if (what != "write" && what != "read") {
    std::cerr << "usage: stoker_keras_exchange write|read FOLDER\n";
    return 2;
  }
  try {
    if (what == "read") return read(argv[2]);
    write(argv[2]);
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "stoker_keras_exchange: " << error.what() << '\n';
    return 1;
  }
}

// Models that go to Keras and come back: stoker_keras_exchange write FOLDER, then
// exchange_with_keras.py FOLDER, then stoker_keras_exchange read FOLDER.
//
// For each model: <name>.json, its weights and inputs (<name>.weight.0.npy, <name>.input.0.npy,
// ...) and what it predicts (<name>.output.npy). Keras answers with <name>.back.json and
// <name>.back.npz.
#include <stoker/stoker.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

using namespace stoker;  // NOLINT(google-build-using-namespace)

namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kRows = 4;
constexpr double kLearningRate = 0x1p-10;  // Keras keeps a float32.

struct Exchanged {
  Model model;
  std::vector<Tensor> inputs;
};

// Layers whose configuration is not the default, one after the other.
Exchanged sequential(const std::string& policy) {
  Sequential model(
      {
          Input({8, 8, 2}),
          Rescaling(0.5),
          Conv2D(
              4, {3, 2},
              {.padding = "same", .groups = 2, .activation = "gelu", .kernel_regularizer = "l2"}),
          BatchNormalization({.axis = 1, .momentum = 0.8}),
          ReLU({.max_value = 6}),
          MaxPooling2D(),
          AveragePooling2D({2, 1}, {.padding = "same"}),
          Dropout(0.2, {.noise_shape = {-1, 1, 1, 4}, .seed = 3}),
          Reshape({-1, 4}),
          Flatten(),
          Dense(3, {.activation = "softmax",
                    .kernel_initializer = Orthogonal(),
                    .bias_initializer = Constant(0.5)}),
      },
      {.dtype_policy = policy});
  model.compile({.optimizer = AdamW({.learning_rate = kLearningRate, .clipnorm = 1.0}),
                 .loss = SparseCategoricalCrossentropy(),
                 .metrics = {"accuracy", SparseCategoricalAccuracy({.name = "x"})}});
  return {std::move(model), {Tensor::normal({kRows, 8, 8, 2}, 0.0f, 1.0f, 1)}};
}

// Three inputs, one of them of numbers, a layer that is called twice, and every layer that merges.
Exchanged functional(const std::string& policy) {
  const Value a = Input({6}, {.name = "a"});
  const Value b = Input({6}, {.name = "b"});
  const Value ids = Input({3}, {.dtype = "int32", .name = "ids"});
  const Layer shared = Dense(5, {.activation = "relu"});
  const Value first = shared(a);
  const Value sum = Add()({first, shared(b)});
  const Value all =
      Concatenate()({Activation("tanh")(sum), first, Subtract()({sum, first}),
                     Multiply()({sum, first}), Average()({sum, first}), Maximum()({sum, first}),
                     Minimum()({sum, first}), Flatten()(Embedding(10, 5)(ids))});
  Model model({b, a, ids}, Dense(1)(all), {.dtype_policy = policy});
  model.compile({.optimizer = RMSprop({.learning_rate = kLearningRate}), .loss = "mae"});
  Tensor numbers({kRows, 3}, DType::int32);
  std::int32_t next = 0;
  for (std::int32_t& number : numbers.data<std::int32_t>()) number = next++ * 7 % 10;
  return {std::move(model),
          {Tensor::normal({kRows, 6}, 0.0f, 1.0f, 2), Tensor::normal({kRows, 6}, 0.0f, 1.0f, 3),
           numbers}};
}

std::map<std::string, Exchanged> models() {
  std::map<std::string, Exchanged> made;
  for (const std::string policy : {"float32", "mixed_bfloat16", "mixed_float16"}) {
    made.emplace("sequential_" + policy, sequential(policy));
    made.emplace("functional_" + policy, functional(policy));
  }
  return made;
}

Tensor predicted(Model& model, const std::vector<Tensor>& inputs) {
  return model.predict(array_source(inputs, {}, std::nullopt, {.batch_size = kRows}));
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

void write(const fs::path& folder) {
  for (auto& [name, exchanged] : models()) {
    auto& [model, inputs] = exchanged;
    const auto put = [&, &name = name](const std::string& what, const Tensor& tensor) {
      write_npy((folder / (name + "." + what + ".npy")).string(), tensor);
    };
    scatter_weights(model);
    std::ofstream(folder / (name + ".json")) << model.to_json(1);
    const std::vector<Tensor> weights = model.get_weights();
    for (std::size_t i = 0; i < weights.size(); ++i) put("weight." + std::to_string(i), weights[i]);
    for (std::size_t i = 0; i < inputs.size(); ++i) put("input." + std::to_string(i), inputs[i]);
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
    const std::string number = std::to_string(i);
    weights.push_back(back.at("weight_" + number));
    if (!are_equal(weights.back(),
                   read_npy((folder / (name + ".weight." + number + ".npy")).string()))) {
      return "weight " + number + " is another one";
    }
  }
  model.set_weights(weights);
  const Tensor expected = read_npy((folder / (name + ".output.npy")).string());
  return are_equal(predicted(model, inputs), expected) ? "" : "it predicts something else";
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

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

// Two outputs, compiled by name: one with a metric of each kind, and the other with two.
Exchanged several(const std::string& policy) {
  const Value first = Input({6}, {.name = "first"});
  const Value second = Input({4}, {.name = "second"});
  const Value wide = Dense(7, {.activation = "tanh", .name = "wide"})(first);
  const Value both = Concatenate(-1, {.name = "both"})({second, wide});
  const Value kind = Dense(3, {.activation = "softmax", .name = "kind"})(both);
  const Value price = Dense(2, {.name = "price"})(Dense(5, {.activation = "elu"})(both));
  Model model({first, second}, {kind, price}, {.dtype_policy = policy});
  model.compile({.optimizer = Adam({.learning_rate = kLearningRate}),
                 .loss = {{"price", "mse"}, {"kind", SparseCategoricalCrossentropy()}},
                 .loss_weights = {{"kind", 0.75}, {"price", 2.0}},
                 .metrics = {{"price", {"mae", "mse"}}, {"kind", {"accuracy"}}},
                 .weighted_metrics = {{"kind", {"accuracy"}}}});
  return {std::move(model),
          {Tensor::normal({kRows, 6}, 0.0f, 1.0f, 4), Tensor::normal({kRows, 4}, 0.0f, 1.0f, 5)}};
}

// Models in a model: a stack, one of two outputs that is called twice, a frozen one within one, and
// one that gives the output.
Exchanged nested(const std::string& policy) {
  const ModelOptions options{.dtype_policy = policy};
  const auto named = [&](const char* name) {
    ModelOptions with_name = options;
    with_name.name = name;
    return with_name;
  };
  Sequential stack({Input({5}), Dense(6, {.activation = "relu"}), BatchNormalization(), Dense(5)},
                   named("stack"));
  const Value half_input = Input({5});
  const Value half = Dense(4, {.activation = "tanh"})(half_input);
  Model halves(half_input, {half, Dense(3)(half)}, named("halves"));
  Sequential still({Input({4}), Dense(4), Dropout(0.5)}, named("still"));
  still.set_trainable(false);
  const Value tail_input = Input({4});
  Model tail(tail_input, Dense(2, {.activation = "tanh"})(still(tail_input)), named("tail"));

  const Value x = Input({5}, {.name = "x"});
  const std::vector<Value> first = halves.call({x});
  const std::vector<Value> again = halves.call({stack(x)});
  const Value sides = Dense(4)(Concatenate()({first[1], again[1]}));
  Model model(x, tail(Add()({first[0], again[0], sides})), options);
  model.compile({.optimizer = SGD({.learning_rate = kLearningRate}), .loss = "mse"});
  return {std::move(model), {Tensor::normal({kRows, 5}, 0.0f, 1.0f, 6)}};
}

std::map<std::string, Exchanged> models() {
  std::map<std::string, Exchanged> made;
  for (const std::string policy : {"float32", "mixed_bfloat16", "mixed_float16"}) {
    made.emplace("sequential_" + policy, sequential(policy));
    made.emplace("functional_" + policy, functional(policy));
    made.emplace("several_" + policy, several(policy));
    made.emplace("nested_" + policy, nested(policy));
  }
  return made;
}

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
    auto& [model, inputs] = exchanged;
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

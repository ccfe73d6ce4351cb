// Writes logs for TensorBoard's own reader, and beside them what it has to find there.
// usage: stoker_tensorboard_logs FOLDER
#include <stoker/stoker.h>

#include <cmath>
#include <cstdint>
#include <fstream>
#include <limits>
#include <string>
#include <utility>

using namespace stoker;

namespace {

// A model with a shared layer and a model inside.
Model functional_model() {
  const Value a = Input({8, 8, 1}, {.name = "left"});
  const Value b = Input({8, 8, 1}, {.name = "right"});
  const Layer shared = Conv2D(4, 3, {.activation = "relu", .name = "shared"});
  const Sequential encoder({Input({6, 6, 4}), Flatten(), Dense(8)}, {.name = "encoder"});
  const Value y = Dense(1, {.name = "price"})(
      Concatenate(-1, {.name = "both"})({encoder(shared(a)), encoder(shared(b))}));
  Model model({a, b}, y, {.name = "twins", .seed = 3});
  model.compile({.optimizer = Adam(), .loss = "mse", .metrics = {"mae"}});
  return model;
}

Config values_of(const std::vector<double>& values) {
  Config list = Config::list();
  for (const double value : values) {
    list.append(std::isfinite(value) ? Config(value) : Config(std::isnan(value) ? "nan" : "inf"));
  }
  return list;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) {
    std::cerr << "usage: stoker_tensorboard_logs FOLDER\n";
    return 2;
  }
  const std::string folder = arguments[1];
  Model model = functional_model();
  const Tensor left = Tensor::uniform({96, 8, 8, 1}, 0.0f, 1.0f, 1);
  const Tensor right = Tensor::uniform({96, 8, 8, 1}, 0.0f, 1.0f, 2);
  const Tensor y = Tensor::uniform({96, 1}, 0.0f, 1.0f, 3);
  // Numbers and names that a log may have beside the usual ones.
  const auto add = [](std::int64_t epoch, Logs& logs) {
    logs.set("odd \"<name>\" {ü\xff}", epoch == 0 ? std::nan("") : 1.0);
    logs.set("unbounded", std::numeric_limits<double>::infinity());
    for (int i = 0; i < 1000; ++i) logs.set("many/" + std::to_string(i), i);
  };
  TensorBoard board(folder, {.histogram_freq = 1,
                             .write_images = true,
                             .write_steps_per_second = true,
                             .update_freq = 2});
  const auto fit = [&](std::int64_t first, std::int64_t end) {
    return model.fit({left, right}, y,
                     {.epochs = end,
                      .verbose = 0,
                      .batch_size = 16,
                      .validation_split = 0.25,
                      .initial_epoch = first,
                      .callbacks = {LambdaCallback{.on_epoch_end = add}, board}});
  };
  // The second fit goes on in the same folder.
  const History first = fit(0, 2);
  const History second = fit(2, 3);
  Config history = Config::map();
  for (const auto& [name, values] : first.history) {
    if (name.starts_with("many/")) continue;
    std::vector<double> all = values;
    all.push_back(second[name].at(0));
    history.set(name.find('<') == std::string::npos ? name : "odd", values_of(all));
  }
  Config weights = Config::map();
  const std::vector<std::string> names = model.weight_names();
  const std::vector<Tensor> tensors = model.get_weights();
  for (std::size_t i = 0; i < names.size(); ++i) weights.set(names[i], tensors[i].size());
  std::ofstream file(folder + "/expected.json");
  file << Config::map({{"history", std::move(history)},
                       {"weights", std::move(weights)},
                       {"model", model.to_json()},
                       {"steps", 5}})
              .to_json(1)
       << '\n';
  return file.flush() ? 0 : 1;
}

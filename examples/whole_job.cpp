#include <stoker/stoker.h>

int main() {
  using namespace stoker;

  Sequential model({Input({2}), Dense(32, {.activation = "tanh"}), Dense(2)}, {.seed = 1});
  model.compile({.optimizer = Adam({.learning_rate = CosineDecay(1e-2, 2000)}),
                 .loss = SparseCategoricalCrossentropy({.from_logits = true}),
                 .metrics = {"accuracy"}});

  // Points of the plane; the label says whether one lies within the circle of radius 0.7.
  const auto fill = [](BatchContext& batch, std::span<float> x, std::span<std::int32_t> y) {
    for (float& value : x) value = 2.0f * batch.random.uniform() - 1.0f;
    for (std::size_t i = 0; i < y.size(); ++i) {
      y[i] = x[2 * i] * x[2 * i] + x[2 * i + 1] * x[2 * i + 1] < 0.49f ? 1 : 0;
    }
  };
  const BatchShapes shapes{.x = {64, 2}, .y = {64}};
  auto training = generator<float, std::int32_t>(shapes, fill);
  auto validation = generator<float, std::int32_t>(shapes, fill);

  // Run it, stop it (Ctrl-C, or kill -9), and run it again: it goes on from the last checkpoint.
  const History history = model.fit(
      training, FitOptions{.steps_per_epoch = 500,
                           .epochs = 4,
                           .validation_data = validation,
                           .validation_steps = 20,
                           .callbacks = {BackupAndRestore("backup", {.save_freq = 100}),
                                         ModelCheckpoint("best.keras", {.save_best_only = true}),
                                         CSVLogger("log.csv", {.append = true})}});
  std::cout << history.feed.headline() << '\n';

  // Keras loads this file, and trains on.
  model.save("model.keras");
  Model loaded = Model::load("model.keras");
  const Logs logs = loaded.evaluate(validation, {.steps = 50, .verbose = 0});
  std::cout << "loss " << logs.loss() << ", accuracy " << logs["accuracy"] << '\n';
}

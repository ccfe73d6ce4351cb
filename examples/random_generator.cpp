#include <stoker/stoker.h>

int main() {
  using namespace stoker;

  Sequential model({
      Input({28, 28, 1}),
      Conv2D(32, 3, {.activation = "relu"}),
      MaxPooling2D(2),
      Conv2D(64, 3, {.activation = "relu"}),
      MaxPooling2D(2),
      Flatten(),
      Dropout(0.5f),
      Dense(10),
  });
  model.summary();
  model.compile({.optimizer = Adam({.learning_rate = 1e-3f}),
                 .loss = SparseCategoricalCrossentropy({.from_logits = true}),
                 .metrics = {"accuracy"}});

  // The user's own source of batches: it writes straight into a pinned slot, no copy in between.
  auto batches = generator<float, std::int32_t>(
      {.x = {32, 28, 28, 1}, .y = {32}},
      [](BatchContext& batch, std::span<float> x, std::span<std::int32_t> y) {
        for (float& pixel : x) pixel = batch.random.uniform();
        for (auto& label : y) label = batch.random.integer(0, 10);
      });

  History history =
      model.fit_generator(batches, {.steps_per_epoch = 100, .epochs = 10, .workers = AUTOTUNE});
  std::cout << history.feed.verdict();  // "compute-bound: the step computed 99.2% of the time ..."
}

// Trains in a loop of one's own: batches lie in the slots of a ring that threads fill ahead, and a
// step runs where they lie. The loop's place is kept, so that the program goes on where it was
// stopped.
//
//   own_loop [EPOCHS]
#include <stoker/stoker.h>

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <vector>

int main(int argc, char** argv) {
  using namespace stoker;
  const std::int64_t epochs = argc > 1 ? std::atoll(argv[1]) : 3;

  Sequential model({Input({28, 28, 1}), Flatten(), Dense(64, {.activation = "relu"}), Dense(10)});
  model.compile(
      {.optimizer = Adam(), .loss = SparseCategoricalCrossentropy({.from_logits = true})});

  // Images that are brighter the higher their label is. A batch is a function of its number, so
  // that any worker may make any of them, and the loop can go on at any of them.
  const auto source = generator<float, std::int32_t>(
      {.x = {64, 28, 28, 1}, .y = {64}},
      pure([](BatchContext& batch, std::span<float> x, std::span<std::int32_t> y) {
        batch.random.fill_uniform(x, 0.0f, 0.1f);
        const std::size_t pixels = x.size() / y.size();
        for (std::size_t i = 0; i < y.size(); ++i) {
          y[i] = batch.random.integer(0, 10);
          for (std::size_t k = 0; k < pixels; ++k)
            x[i * pixels + k] += 0.1f * static_cast<float>(y[i]);
        }
      }));

  Loader loader = stream(source, {.steps_per_epoch = 200, .epochs = epochs, .workers = AUTOTUNE});
  const char* const kept = "own_loop.state";
  const char* const weights = "own_loop.safetensors";
  if (std::ifstream file(kept, std::ios::binary); file) {
    const std::vector<char> bytes((std::istreambuf_iterator<char>(file)), {});
    loader.restore(std::as_bytes(std::span(bytes)));
    model.load_weights(weights);
    std::cout << "Going on from " << kept << ".\n";
  }
  while (!loader.is_done()) {
    double loss = 0.0;
    std::int64_t steps = 0;
    for (const BatchView& batch : loader.epoch()) {
      loss += model.train_on_batch(batch).loss();
      ++steps;
    }
    std::cout << "loss " << loss / static_cast<double>(steps) << ": " << loader.report().headline()
              << '\n';
    model.save_weights(weights);
    const std::vector<std::byte> state = loader.state();
    std::ofstream(kept, std::ios::binary)
        .write(reinterpret_cast<const char*>(state.data()),
               static_cast<std::streamsize>(state.size()));
  }
  std::cout << loader.verdict();
}

// Why is my device idle? 2: a slow generator on one thread. This one waits, as for a disk; the
// verdict says how many workers it takes, and the second run is that fast. See docs/why-idle.md.
#include <stoker/stoker.h>

#include <chrono>
#include <thread>

using namespace stoker;

int main() {
  // The steps of this device take 5 ms, whatever computer this runs on.
  Sequential model({Input({32}), Dense(1)}, {.device = Device::simulated({.step_seconds = 5e-3})});
  model.compile({.optimizer = SGD({.learning_rate = 1e-2}), .loss = "mse"});

  // A lambda without captures is pure, so several workers may call it at the same time.
  auto batches = generator<float, float>(
      {.x = {64, 32}, .y = {64, 1}},
      [](BatchContext& batch, std::span<float> x, std::span<float> y) {
        std::this_thread::sleep_for(std::chrono::milliseconds(15));  // opens a file, say
        batch.random.fill_uniform(x);
        for (std::size_t row = 0; row < y.size(); ++row) y[row] = x[32 * row];
      });
  std::cout << "one worker:\n"
            << model.fit_generator(batches, {.steps_per_epoch = 100, .verbose = 0}).feed.verdict();
  std::cout << "\nAUTOTUNE:\n"
            << model
                   .fit_generator(batches,
                                  {.steps_per_epoch = 100, .verbose = 0, .workers = AUTOTUNE})
                   .feed.verdict();
}

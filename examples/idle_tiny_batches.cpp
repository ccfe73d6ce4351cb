// Why is my device idle? 4: tiny batches. The step is over before the host has handed over the next
// one. See docs/why-idle.md.
#include <stoker/stoker.h>

using namespace stoker;

namespace {

void train(std::int64_t batch_size) {
  // This device works by itself, as a GPU does, and a launch takes the host 50 µs.
  Sequential model({Input({4}), Dense(4)},
                   {.threads = 1, .device = Device::simulated({.launch_seconds = 50e-6})});
  model.compile({.optimizer = SGD({.learning_rate = 1e-2}), .loss = "mse"});
  auto batches = generator<float, float>({.x = {batch_size, 4}, .y = {batch_size, 4}},
                                         [](BatchContext&, std::span<float> x, std::span<float> y) {
                                           std::ranges::fill(x, 0.5f);
                                           std::ranges::fill(y, 1.0f);
                                         });
  const std::int64_t steps = batch_size < 100 ? 20'000 : 200;
  std::cout << "batches of " << batch_size << ":\n"
            << model.fit_generator(batches, {.steps_per_epoch = steps, .verbose = 0}).feed.verdict()
            << '\n';
}

}  // namespace

int main() {
  train(8);
  train(32768);
}

// Why is my device idle? 3: no overlap. The loop that everybody writes first: generate a batch,
// hand it over, train, and only then generate the next. See docs/why-idle.md.
#include <stoker/stoker.h>

#include <chrono>
#include <thread>

using namespace stoker;

namespace {

void make_batch(Random& random, std::span<float> x, std::span<float> y) {
  std::this_thread::sleep_for(std::chrono::milliseconds(4));
  random.fill_uniform(x);
  for (std::size_t row = 0; row < y.size(); ++row) y[row] = x[32 * row];
}

}  // namespace

int main() {
  Sequential model({Input({32}), Dense(1)}, {.device = Device::simulated({.step_seconds = 5e-3})});
  model.compile({.optimizer = SGD({.learning_rate = 1e-2}), .loss = "mse"});

  Random random(1);
  Tensor x(Shape{64, 32});
  Tensor y(Shape{64, 1});
  for (int step = 0; step < 100; ++step) {
    make_batch(random, x.data<float>(), y.data<float>());
    model.train_on_batch(x, y);
  }
  std::cout << "train_on_batch in a loop:\n" << model.take_on_batch_report().verdict();

  auto batches = generator<float, float>(
      {.x = {64, 32}, .y = {64, 1}},
      [](BatchContext& batch, std::span<float> to, std::span<float> labels) {
        make_batch(batch.random, to, labels);
      });
  std::cout << "\nfit_generator:\n"
            << model.fit_generator(batches, {.steps_per_epoch = 100, .verbose = 0}).feed.verdict();
}

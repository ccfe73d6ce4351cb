// Why is my device idle? 1: batches of double. The source makes doubles, which no slot holds; cast
// converts each number on the way, and the verdict says what that costs. See docs/why-idle.md.
#include <stoker/stoker.h>

#include <cmath>
#include <vector>

using namespace stoker;

int main() {
  Sequential model({Input({4096}), Dense(8), Dense(1)});
  model.compile({.optimizer = SGD({.learning_rate = 1e-4}), .loss = "mse"});
  const BatchShapes shapes{.x = {256, 4096}, .y = {256, 1}};

  // Another library might hand over its data like this.
  const std::vector<double> measured(256 * 4096, 0.5);
  auto doubles = generator<double, double>(
      shapes, [&](BatchContext&, std::span<double> x, std::span<double> y) {
        std::copy(measured.begin(), measured.end(), x.begin());
        std::ranges::fill(y, 1.0);
      });
  const FitOptions options{.steps_per_epoch = 200, .verbose = 0};
  std::cout << "float64, cast on the way:\n"
            << model.fit_generator(cast<float>(doubles), options).feed.verdict();

  // These are the same numbers, converted to float once.
  const std::vector<float> kept(measured.begin(), measured.end());
  auto floats =
      generator<float, float>(shapes, [&](BatchContext&, std::span<float> x, std::span<float> y) {
        std::copy(kept.begin(), kept.end(), x.begin());
        std::ranges::fill(y, 1.0f);
      });
  std::cout << "\nfloat32:\n" << model.fit_generator(floats, options).feed.verdict();
}

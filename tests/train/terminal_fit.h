// A fit for tests of displays: its epochs last long enough to be drawn.
#pragma once

#include <signal.h>
#include <stoker/stoker.h>
#include <sys/resource.h>

#include <chrono>
#include <cstdlib>
#include <utility>

namespace stoker::test {

inline constexpr std::int64_t kSteps = 150;

inline Sequential classifier() {
  Sequential model({Input({4}), Dense(8, {.activation = "relu"}), Dense(3)}, {.name = "small"});
  model.compile({.optimizer = SGD({.learning_rate = 0.1}),
                 .loss = SparseCategoricalCrossentropy({.from_logits = true}),
                 .metrics = {"accuracy"}});
  return model;
}

// Batches that take two milliseconds each, so that displays have time to draw.
inline auto batches() {
  return generator<float, std::int32_t>(
      {.x = {8, 4}, .y = {8}},
      [](BatchContext& batch, std::span<float> x, std::span<std::int32_t> y) {
        const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(2);
        batch.random.fill_uniform(x);
        for (auto& label : y) label = static_cast<std::int32_t>(batch.random.integer(0, 3));
        while (std::chrono::steady_clock::now() < end) {
        }
      });
}

inline FitOptions options(int verbose, std::int64_t epochs) {
  return {.steps_per_epoch = kSteps, .epochs = epochs, .verbose = verbose};
}

inline void set_environment(const char* locale = "C.UTF-8", const char* no_color = "") {
  setenv("TERM", "xterm-256color", 1);
  setenv("LC_ALL", locale, 1);
  setenv("NO_COLOR", no_color, 1);
  const rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
  signal(SIGINT, SIG_DFL);
}

inline int fit(FitOptions fit_options) {
  Sequential model = classifier();
  auto source = batches();
  model.fit(source, std::move(fit_options));
  return 0;
}

// A fit that ends when it is told to.
inline constexpr std::int64_t kForEver = 1000;

inline int endless_fit(FitOptions fit_options = options(3, kForEver)) {
  set_environment();
  return fit(std::move(fit_options));
}

}  // namespace stoker::test

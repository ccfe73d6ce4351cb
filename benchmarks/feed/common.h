// What the programs of the suite `feed` share: generators of a known cost, the cnn of the suite
// `peers`, and rows of JSON.
//
// Generators "burn": a fixed number of dependent multiplications, the same on every side, so that a
// thread that is put aside has not worked meanwhile. On the simulated device they sleep instead.
#pragma once

#include <stoker/stoker.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <initializer_list>
#include <iostream>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/networks.h"

namespace stoker::bench {

inline double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Four chains, as busy as vector code, that no compiler shortens. burn.c is the peers' twin.
inline void burn(std::int64_t iterations) {
  double a = 1.0, b = 1.1, c = 1.2, d = 1.3;
  for (std::int64_t i = 0; i < iterations; ++i) {
    a = a * 0.999999 + 1e-6;
    b = b * 0.999998 + 1e-6;
    c = c * 0.999997 + 1e-6;
    d = d * 0.999996 + 1e-6;
  }
  volatile double sink = a + b + c + d;
  static_cast<void>(sink);
}

// Sleeps, and spins at the end: a sleep alone lasts longer than it is told to.
inline void pass_time(double seconds) {
  const double end = now() + seconds;
  std::this_thread::sleep_for(std::chrono::duration<double>(std::max(0.0, seconds - 300e-6)));
  while (now() < end) {
  }
}

inline void row(const std::string& section, const std::string& name, const std::string& side,
                const std::string& figures) {
  std::cout << R"({"section": ")" << section << R"(", "case": ")" << name << R"(", "side": ")"
            << side << R"(", )" << figures << "}" << std::endl;
}

inline std::string text(double value) {
  std::string digits = std::to_string(value);
  digits.erase(digits.find_last_not_of('0') + 1);
  if (digits.back() == '.') digits.pop_back();
  return digits;
}

inline std::string figure(const char* name, double value) {
  return '"' + std::string(name) + "\": " + std::to_string(value);
}

inline Model make_cnn(bool rescales = false, const Device& device = Device::cpu()) {
  const Value images = Input({28, 28, 1});
  const Value scaled = rescales ? Rescaling(1.0 / 255.0)(images) : images;
  Model model(images, test::cnn(scaled), {.device = device});
  model.compile({.optimizer = Adam({.learning_rate = 1e-3}),
                 .loss = SparseCategoricalCrossentropy({.from_logits = true})});
  return model;
}

inline constexpr std::int64_t kBatch = 32;
inline constexpr std::size_t kPixels = 28 * 28;
inline const BatchShapes kShapes{.x = {kBatch, 28, 28, 1}, .y = {kBatch}};

// A data set in memory, of the element type that a case wants, and what a batch costs beside
// copying.
template <class T>
struct Work {
  std::vector<T> pixels = std::vector<T>(16 * kBatch * kPixels, T(1));
  std::int64_t iterations = 0;

  void fill(std::int64_t index, std::span<T> x, std::span<std::int32_t> y) const {
    burn(iterations);
    const std::size_t begin = static_cast<std::size_t>(index % 16) * kBatch * kPixels;
    std::copy_n(pixels.begin() + static_cast<std::ptrdiff_t>(begin), x.size(), x.begin());
    for (std::size_t i = 0; i < y.size(); ++i) y[i] = static_cast<std::int32_t>(i % 10);
  }
};

template <class T>
auto source_of(const Work<T>& work) {
  return generator<T, std::int32_t>(
      kShapes, pure([&work](BatchContext& batch, std::span<T> x, std::span<std::int32_t> y) {
        work.fill(batch.index, x, y);
      }));
}

template <class T>
SourceHandle handle_of(const Work<T>& work) {
  if constexpr (is_slot_type<T>) {
    return source_of(work);
  } else {
    return cast<float>(source_of(work));
  }
}

struct FitSettings {
  std::int64_t steps = 40;
  int workers = 1;
  int queue = 10;
};

// An epoch in the middle of a fit: it uses as many batches that were made before it as it makes
// for the one after it, and AUTOTUNE has had the time before it to measure.
inline FeedReport fit_report(Model& model, const SourceHandle& source,
                             const FitSettings& settings) {
  const bool tunes = settings.workers == AUTOTUNE || settings.queue == AUTOTUNE;
  const std::int64_t before = tunes ? 2 : 1;
  const History history = model.fit(source, {.steps_per_epoch = settings.steps,
                                             .epochs = before + 2,
                                             .verbose = 0,
                                             .max_queue_size = settings.queue,
                                             .workers = settings.workers});
  return history.feed_by_epoch[static_cast<std::size_t>(before)];
}

inline double fit_seconds(Model& model, const SourceHandle& source, const FitSettings& settings) {
  return fit_report(model, source, settings).wall / static_cast<double>(settings.steps);
}

// Seconds of a step of the cnn without any generation, and what burns as long. Measured once in a
// run of the suite and handed to every program, so that all sides mean the same by a cost.
struct Calibration {
  double step = 0.0;
  std::int64_t iterations = 0;

  std::int64_t costing(double steps) const {
    return static_cast<std::int64_t>(steps * static_cast<double>(iterations));
  }
};

inline Calibration calibrate() {
  Calibration result{1e9, 0};
  Model model = make_cnn();
  const Work<float> work;
  double burning = 1e9;
  constexpr std::int64_t kTrial = 400'000;
  for (int round = 0; round < 7; ++round) {
    result.step =
        std::min(result.step, fit_report(model, source_of(work), {.steps = 30}).step.mean());
    const double begin = now();
    burn(kTrial);
    burning = std::min(burning, now() - begin);
  }
  result.iterations = static_cast<std::int64_t>(kTrial * result.step / burning);
  return result;
}

// As `calibrate` printed it: ITERATIONS SECONDS, from argv[begin] on; measured anew without them.
inline Calibration calibration_from(int argc, char** argv, int begin) {
  if (argc < begin + 2) return calibrate();
  return {.step = std::atof(argv[begin + 1]), .iterations = std::atoll(argv[begin])};
}

// Runs the section of that name. The status of the program.
using Section = std::pair<std::string, void (*)(const Calibration&)>;

inline int run_section(const std::vector<Section>& sections, int argc, char** argv) {
  const std::string wanted = argc > 1 ? argv[1] : "";
  for (const auto& [name, run] : sections) {
    if (name != wanted) continue;
    run(calibration_from(argc, argv, 2));
    return EXIT_SUCCESS;
  }
  std::cerr << "usage: " << argv[0] << " SECTION [ITERATIONS SECONDS], of which sections:";
  for (const auto& [name, run] : sections) std::cerr << ' ' << name;
  std::cerr << '\n';
  return EXIT_FAILURE;
}

}  // namespace stoker::bench

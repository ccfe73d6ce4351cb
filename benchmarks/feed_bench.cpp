// Measures Stoker for the suite `feed`; benchmarks/feed/bench.py runs it.
//
//   feed_bench SECTION [ITERATIONS SECONDS]
//       SECTION is overlap, ring, article, article-simulated, twins or cores. Prints a row of JSON
//       for each case.
//   feed_bench serve WORKERS
//       Trains the cnn on batches of 32 with that many workers, or "auto". Reads lines "steps N
//       ITERATIONS", with the number of steps and the iterations that a batch burns, and answers
//       "seconds S".
//   feed_bench calibrate
//       Prints the iterations of burn() that take as long as a step, and the seconds of the step:
//       the two arguments of the other forms.
#include <stoker/stoker.h>

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "device/device.h"
#include "feed/common.h"
#include "feed/feed.h"

namespace {

using namespace stoker;         // NOLINT(google-build-using-namespace)
using namespace stoker::bench;  // NOLINT(google-build-using-namespace)

// ---- overlap ----
// Generate, upload and step each have a resource of their own. The wall time is compared with the
// slowest of the three.
void overlap(const Calibration&) {
  constexpr std::int64_t kColumns = 2048;
  constexpr std::int64_t kRows = 32;
  constexpr std::int64_t kSteps = 250;
  const double bytes = 4.0 * static_cast<double>(kRows * (kColumns + 1));
  for (const double g : {1.0, 2.0, 4.0}) {
    for (const double u : {1.0, 2.0, 4.0}) {
      for (const double s : {1.0, 2.0, 4.0}) {
        const double slowest = std::max({g, u, s});
        // These cases have the same ratios as others.
        if (slowest < 4.0 && !(g == 2.0 && u == 2.0 && s == 2.0)) continue;
        Sequential model({Input({kColumns}), Dense(1)},
                         {.threads = 1,
                          .device = Device::simulated({.upload_bytes_per_second = 1e3 * bytes / u,
                                                       .step_seconds = 1e-3 * s})});
        model.compile({.optimizer = SGD({.learning_rate = 0.0}), .loss = "mse"});
        auto batches =
            generator<float, float>({.x = {kRows, kColumns}, .y = {kRows, 1}},
                                    [g](BatchContext&, std::span<float> x, std::span<float> y) {
                                      // The generator ends by writing the batch, so that the scan
                                      // for NaNs finds it in the cache, as it does behind useful
                                      // generators.
                                      const double end = now() + 1e-3 * g;
                                      pass_time(1e-3 * g - 200e-6);
                                      std::ranges::fill(x, 0.5f);
                                      std::ranges::fill(y, 1.0f);
                                      while (now() < end) {
                                      }
                                    });
        const auto train = [&](std::int64_t steps) {
          const double begin = now();
          model.fit_generator(batches,
                              {.steps_per_epoch = steps, .verbose = 0, .max_queue_size = 3});
          return now() - begin;
        };
        train(3);  // This makes the plan.
        const double wall = train(kSteps);
        row("overlap", text(g) + ":" + text(u) + ":" + text(s), "stoker",
            figure("of_the_slowest", wall / (1e-3 * slowest * static_cast<double>(kSteps))));
      }
    }
  }
}

// ---- ring ----
// Small batches from a producer without work, taken by a consumer without work.
void ring(const Calibration&) {
  constexpr std::int64_t kBatches = 400'000;
  const auto device = device::make_cpu_device();
  auto source =
      generator<float>({.x = {1, 4}}, [](BatchContext&, std::span<float> x) { x[0] = 1; });
  feed::Feed feed(source.source(), {.steps_per_epoch = kBatches}, *device);
  const double begin = now();
  while (const auto batch = feed.next()) feed.release(*batch);
  const double wall = now() - begin;
  row("ring", "one producer", "stoker",
      figure("batches_per_s", kBatches / wall) + ", " +
          figure("us_per_batch", 1e6 * wall / kBatches));
  // This measures what uniform random images cost to draw.
  std::vector<float> images(32 * kPixels);
  Random random(1);
  const double drawing = now();
  constexpr int kDraws = 2000;
  for (int i = 0; i < kDraws; ++i) random.fill_uniform(images);
  row("ring", "uniform images (32, 28, 28, 1)", "stoker",
      figure("gb_per_s",
             1e-9 * kDraws * static_cast<double>(4 * images.size()) / (now() - drawing)));
}

// ---- article ----
// The article compares three element types, several costs of a batch, and five ways to feed it.
// "(a)" is the way in which people begin: generate, hand over and train, in turn.
struct Bed {
  std::string where;
  std::function<Model(bool rescales)> make_model;
  std::int64_t steps;
};

template <class T>
double by_hand(Model& model, const Work<T>& work, std::int64_t steps) {
  std::vector<T> batch(kBatch * kPixels);
  std::vector<std::int32_t> labels(kBatch);
  double begin = 0.0;
  for (std::int64_t step = -5; step < steps; ++step) {
    if (step == 0) begin = now();
    work.fill(step + 5, batch, labels);
    Tensor x;
    if constexpr (is_slot_type<T>) {
      x = Tensor::from<T>({kBatch, 28, 28, 1}, batch);
    } else {
      const std::vector<float> floats(batch.begin(), batch.end());
      x = Tensor::from<float>({kBatch, 28, 28, 1}, floats);
    }
    model.train_on_batch(x, Tensor::from<std::int32_t>({kBatch}, labels));
  }
  return (now() - begin) / static_cast<double>(steps);
}

// Makes numbered rows, each of which costs its part of the batch.
template <class T>
SourceHandle pipeline_of(const Work<T>& work) {
  return range(16 * kBatch)
      .repeat()
      .map<T, std::int32_t>(
          {Shape{28, 28, 1}, Shape{}},
          [&work](std::span<const std::int32_t> n, std::span<T> x, std::span<std::int32_t> y) {
            burn(work.iterations / kBatch);
            std::copy_n(work.pixels.begin() + static_cast<std::ptrdiff_t>(n[0]) *
                                                  static_cast<std::ptrdiff_t>(kPixels),
                        kPixels, x.begin());
            y[0] = n[0] % 10;
          })
      .batch(kBatch)
      .prefetch(AUTOTUNE);
}

// No batch is generated here, so its cost does not matter.
template <class T>
double cached(Model& model, const Work<T>& work, std::int64_t steps) {
  const Tensor y(Shape{16 * kBatch}, DType::int32);
  const SourceHandle source =
      cache_on_device(Tensor::from<T>({16 * kBatch, 28, 28, 1}, std::span<const T>(work.pixels)), y,
                      {.batch_size = kBatch, .shuffle = true});
  const std::int64_t passes = steps / 16 + 2;
  const History history = model.fit(source, {.epochs = passes + 2, .verbose = 0});
  double wall = 0.0;
  for (std::int64_t epoch = 1; epoch <= passes; ++epoch) {
    wall += history.feed_by_epoch[static_cast<std::size_t>(epoch)].wall;
  }
  return wall / static_cast<double>(16 * passes);
}

template <class T>
void article_rows(const Bed& bed, const std::string& type, const Calibration& calibration) {
  Model model = bed.make_model(std::is_same_v<T, std::uint8_t>);
  Work<T> work;
  for (const double cost : {0.0, 0.5, 1.0, 2.0}) {
    work.iterations = calibration.costing(cost);
    const auto add = [&](const char* side, double seconds) {
      row(bed.where == "cpu" ? "article" : "article-simulated",
          bed.where + " " + type + " cost " + text(cost), side,
          figure("ms_per_step", 1e3 * seconds));
    };
    const auto fitted = [&](const SourceHandle& source, int workers) {
      return fit_seconds(model, source, {.steps = bed.steps, .workers = workers});
    };
    add("a: train_on_batch", by_hand(model, work, bed.steps));
    add("b: fit_generator, one worker", fitted(handle_of(work), 1));
    add("c: fit_generator, AUTOTUNE", fitted(handle_of(work), AUTOTUNE));
    if constexpr (is_slot_type<T>) {
      add("d: Dataset, batch, prefetch", fitted(pipeline_of(work), AUTOTUNE));
      if (cost == 0.0) add("e: cached on the device", cached(model, work, bed.steps));
    }
  }
}

void article_on(const Bed& bed, const Calibration& calibration) {
  article_rows<double>(bed, "float64", calibration);
  article_rows<float>(bed, "float32", calibration);
  article_rows<std::uint8_t>(bed, "uint8", calibration);
}

void article(const Calibration& calibration) {
  row("article", "cpu", "calibration", figure("ms_per_step", 1e3 * calibration.step));
  article_on({"cpu", [](bool rescales) { return make_cnn(rescales); }, 20}, calibration);
}

// Simulates a GPU: the generator has the cores to itself, a step takes as long as the cnn's does on
// the CPU, and a batch of float32 uploads in half a step.
void article_simulated(const Calibration& calibration) {
  const double bytes = 4.0 * static_cast<double>(kBatch * kPixels);
  const auto make = [&](bool rescales) {
    std::vector<Layer> layers{Input({28, 28, 1})};
    if (rescales) layers.push_back(Rescaling(1.0 / 255.0));
    layers.push_back(Flatten());
    layers.push_back(Dense(10));
    Sequential model(
        layers,
        {.threads = 1,
         .device = Device::simulated({.upload_bytes_per_second = 2.0 * bytes / calibration.step,
                                      .step_seconds = calibration.step})});
    model.compile({.optimizer = SGD({.learning_rate = 0.0}),
                   .loss = SparseCategoricalCrossentropy({.from_logits = true})});
    return model;
  };
  article_on({"simulated", make, 40}, calibration);
}

// ---- twins ----
// Compares a source of double that costs nothing with one of float that is otherwise the same. They
// take turns.
constexpr int kRounds = 7;

std::string rounds_taken() { return ", \"rounds\": " + std::to_string(kRounds); }

void twins(const Calibration&) {
  Model model = make_cnn();
  const Work<double> doubles;
  const Work<float> floats;
  for (const int workers : {1, AUTOTUNE}) {
    double cast_on_the_way = 1e9;
    double twin = 1e9;
    for (int round = 0; round < kRounds; ++round) {
      const FitSettings settings{.steps = 60, .workers = workers};
      cast_on_the_way = std::min(cast_on_the_way, fit_seconds(model, handle_of(doubles), settings));
      twin = std::min(twin, fit_seconds(model, handle_of(floats), settings));
    }
    row("twins", workers == 1 ? "one worker" : "AUTOTUNE", "stoker",
        figure("against_float32", cast_on_the_way / twin) + ", " +
            figure("ms_per_step", 1e3 * cast_on_the_way) + rounds_taken());
  }
}

// ---- cores ----
// A generator takes half of a core beside the step; the row says what the step loses to it. The
// speed of a shared machine changes within seconds, so each round measures a fair price of its own:
// the time that a batch burns on one core in that round, divided by the number of cores.
void cores(const Calibration& calibration) {
  constexpr int kPairs = 31;
  Model model = make_cnn();
  Work<float> work;
  const auto step = [&](double cost) {
    work.iterations = calibration.costing(cost);
    return fit_seconds(model, handle_of(work), {.steps = 60});
  };
  const auto burning = [&] {
    double seconds = 1e9;
    for (int i = 0; i < 3; ++i) {
      const double begin = now();
      burn(calibration.costing(0.5));
      seconds = std::min(seconds, now() - begin);
    }
    return seconds;
  };
  const auto all = static_cast<double>(std::max(1U, std::thread::hardware_concurrency()));
  std::vector<double> slower, fair, over;
  for (int round = 0; round < kPairs; ++round) {
    const double before = step(0.0);
    const double beside = step(0.5);
    const double burns = burning();
    const double alone = 0.5 * (before + step(0.0));
    slower.push_back(beside / alone);
    fair.push_back(1.0 + burns / (all * alone));
    over.push_back(slower.back() / fair.back());
  }
  const auto part = [](std::vector<double> values, double of) {
    std::ranges::sort(values);
    return values[static_cast<std::size_t>(of * static_cast<double>(values.size() - 1))];
  };
  row("cores", "half a core to generate", "stoker",
      figure("slower", part(slower, 0.5)) + ", " + figure("fair", part(fair, 0.5)) + ", " +
          figure("against_fair", part(over, 0.5)) + ", " +
          figure("lower_quartile", part(over, 0.25)) + ", " +
          figure("upper_quartile", part(over, 0.75)) + ", \"rounds\": " + std::to_string(kPairs));
}

int serve(const std::string& workers) {
  Model model = make_cnn();
  Work<float> work;
  const SourceHandle source = handle_of(work);
  for (std::string word; std::cin >> word && word == "steps";) {
    std::int64_t steps = 0;
    std::cin >> steps >> work.iterations;
    const double begin = now();
    model.fit(source, {.steps_per_epoch = steps,
                       .verbose = 0,
                       .workers = workers == "auto" ? AUTOTUNE : std::atoi(workers.c_str())});
    std::cout << "seconds " << now() - begin << std::endl;
  }
  return EXIT_SUCCESS;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string section = argc > 1 ? argv[1] : "";
  if (section == "serve" && argc > 2) return serve(argv[2]);
  if (section == "calibrate") {
    const Calibration found = calibrate();
    std::cout << found.iterations << ' ' << found.step << std::endl;
    return EXIT_SUCCESS;
  }
  return run_section({{"overlap", overlap},
                      {"ring", ring},
                      {"article", article},
                      {"article-simulated", article_simulated},
                      {"twins", twins},
                      {"cores", cores}},
                     argc, argv);
}

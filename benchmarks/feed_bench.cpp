// What the suite `feed` measures of Stoker; benchmarks/feed/bench.py runs it.
//
//   feed_bench SECTION       overlap, ring, article, cores, autotune or advice: prints a row of
//                            JSON for each case
//   feed_bench serve COST    trains the cnn on batches of 32 whose generation costs COST steps:
//                            reads lines "steps N", answers "seconds S"
//   feed_bench calibrate     prints the iterations of burn() that take as long as a step
//
// Generators "burn": a fixed number of dependent multiplications, the same on every side, so that a
// thread that is put aside has not worked meanwhile. On the simulated device they sleep instead.
#include <stoker/stoker.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "device/device.h"
#include "feed/feed.h"

namespace {

using namespace stoker;  // NOLINT(google-build-using-namespace)

using Clock = std::chrono::steady_clock;

double now() { return std::chrono::duration<double>(Clock::now().time_since_epoch()).count(); }

// Four chains, as busy as vector code, that no compiler shortens.
void burn(std::int64_t iterations) {
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
void pass_time(double seconds) {
  const double end = now() + seconds;
  std::this_thread::sleep_for(std::chrono::duration<double>(std::max(0.0, seconds - 300e-6)));
  while (now() < end) {
  }
}

void row(const std::string& section, const std::string& name, const std::string& side,
         const std::string& figures) {
  std::cout << R"({"section": ")" << section << R"(", "case": ")" << name << R"(", "side": ")"
            << side << R"(", )" << figures << "}" << std::endl;
}

std::string text(double value) {
  std::string digits = std::to_string(value);
  digits.erase(digits.find_last_not_of('0') + 1);
  if (digits.back() == '.') digits.pop_back();
  return digits;
}
std::string figure(const char* name, double value) {
  return '"' + std::string(name) + "\": " + std::to_string(value);
}

Sequential make_cnn(bool rescales, const Device& device = Device::cpu()) {
  std::vector<Layer> layers{Input({28, 28, 1})};
  if (rescales) layers.push_back(Rescaling(1.0 / 255.0));
  for (const Layer& layer :
       std::initializer_list<Layer>{Conv2D(32, 3, {.activation = "relu"}), MaxPooling2D(2),
                                    Conv2D(64, 3, {.activation = "relu"}), MaxPooling2D(2),
                                    Flatten(), Dropout(0.5), Dense(10)}) {
    layers.push_back(layer);
  }
  Sequential model(layers, {.device = device});
  model.compile({.optimizer = Adam({.learning_rate = 1e-3}),
                 .loss = SparseCategoricalCrossentropy({.from_logits = true})});
  return model;
}

constexpr std::int64_t kBatch = 32;
constexpr std::size_t kPixels = 28 * 28;

// Seconds of a step of the cnn without any generation, and what burns as long.
struct Calibration {
  double step = 0.0;
  std::int64_t iterations = 0;
};

Calibration calibrate() {
  Calibration result{1e9, 0};
  Sequential model = make_cnn(false);
  const Tensor x = Tensor::uniform({kBatch, 28, 28, 1});
  const Tensor y(Shape{kBatch}, DType::int32);
  auto batches = generator<float, std::int32_t>(
      {.x = {kBatch, 28, 28, 1}, .y = {kBatch}},
      [](BatchContext&, std::span<float> to, std::span<std::int32_t> labels) {
        std::ranges::fill(to, 0.5f);
        std::ranges::fill(labels, 1);
      });
  double burning = 1e9;
  constexpr std::int64_t kTrial = 400'000;
  for (int round = 0; round < 5; ++round) {
    const History history = model.fit_generator(batches, {.steps_per_epoch = 30, .verbose = 0});
    result.step = std::min(result.step, history.feed.step.mean());
    const double begin = now();
    burn(kTrial);
    burning = std::min(burning, now() - begin);
  }
  result.iterations = static_cast<std::int64_t>(kTrial * result.step / burning);
  return result;
}

// ---- overlap ----
// Generate, upload and step, each on a resource of its own: wall time against the slowest.
void overlap() {
  constexpr std::int64_t kColumns = 2048;
  constexpr std::int64_t kRows = 32;
  constexpr std::int64_t kSteps = 500;
  const double bytes = 4.0 * static_cast<double>(kRows * (kColumns + 1));
  for (const double g : {1.0, 2.0, 4.0}) {
    for (const double u : {1.0, 2.0, 4.0}) {
      for (const double s : {1.0, 2.0, 4.0}) {
        const double slowest = std::max({g, u, s});
        if (slowest < 4.0 && !(g == 2.0 && u == 2.0 && s == 2.0)) continue;  // the same ratios
        Sequential model({Input({kColumns}), Dense(1)},
                         {.threads = 1,
                          .device = Device::simulated({.upload_bytes_per_second = 1e3 * bytes / u,
                                                       .step_seconds = 1e-3 * s})});
        model.compile({.optimizer = SGD({.learning_rate = 0.0}), .loss = "mse"});
        auto batches = generator<float, float>(
            {.x = {kRows, kColumns}, .y = {kRows, 1}},
            [g](BatchContext&, std::span<float>, std::span<float>) { pass_time(1e-3 * g); });
        const auto train = [&](std::int64_t steps) {
          const double begin = now();
          model.fit_generator(batches,
                              {.steps_per_epoch = steps, .verbose = 0, .max_queue_size = 3});
          return now() - begin;
        };
        train(3);  // makes the plan
        const double wall = train(kSteps);
        row("overlap", text(g) + ":" + text(u) + ":" + text(s), "stoker",
            figure("of_the_slowest", wall / (1e-3 * slowest * static_cast<double>(kSteps))));
      }
    }
  }
}

// ---- ring ----
// Small batches from one producer that does nothing, taken by a consumer that does nothing.
void ring() {
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
  // What uniform random images cost to draw.
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

const BatchShapes kShapes{.x = {kBatch, 28, 28, 1}, .y = {kBatch}};

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

constexpr std::int64_t kSteps = 60;

// Seconds a step in the second epoch: in the first, AUTOTUNE measures.
double fit_seconds(Model& model, const SourceHandle& source, int workers,
                   FeedReport* report = nullptr, int queue = 10) {
  const History history = model.fit(source, {.steps_per_epoch = kSteps,
                                             .epochs = 2,
                                             .verbose = 0,
                                             .max_queue_size = queue,
                                             .workers = workers});
  const FeedReport& second = history.feed_by_epoch.back();
  if (report != nullptr) *report = second;
  return second.wall / kSteps;
}

template <class T>
double by_hand(Model& model, const Work<T>& work) {
  constexpr bool kCasts = std::is_same_v<T, double>;
  std::vector<T> batch(kBatch * kPixels);
  std::vector<std::int32_t> labels(kBatch);
  double begin = 0.0;
  for (std::int64_t step = -5; step < kSteps; ++step) {
    if (step == 0) begin = now();
    work.fill(step + 5, batch, labels);
    Tensor x;
    if constexpr (kCasts) {
      const std::vector<float> floats(batch.begin(), batch.end());
      x = Tensor::from<float>({kBatch, 28, 28, 1}, floats);
    } else {
      x = Tensor::from<T>({kBatch, 28, 28, 1}, batch);
    }
    model.train_on_batch(x, Tensor::from<std::int32_t>({kBatch}, labels));
  }
  return (now() - begin) / kSteps;
}

template <class T>
void article_rows(const std::string& type, const Calibration& calibration, const Device& device,
                  const std::string& where) {
  Sequential model = make_cnn(std::is_same_v<T, std::uint8_t>, device);
  for (const double cost : {0.0, 0.5, 1.0, 2.0}) {
    Work<T> work;
    work.iterations = static_cast<std::int64_t>(cost * static_cast<double>(calibration.iterations));
    const std::string name = where + " " + type + " cost " + text(cost);
    const auto add = [&](const char* side, double seconds) {
      row("article", name, side, figure("ms_per_step", 1e3 * seconds));
    };
    add("a: train_on_batch", by_hand(model, work));
    add("b: fit_generator, one worker", fit_seconds(model, handle_of(work), 1));
    add("c: fit_generator, AUTOTUNE", fit_seconds(model, handle_of(work), AUTOTUNE));
    if constexpr (is_slot_type<T>) {
      const auto rows =
          range(16 * kBatch)
              .repeat()
              .map<T, std::int32_t>(
                  {Shape{28, 28, 1}, Shape{}},
                  [&](std::span<const std::int32_t> n, std::span<T> x, std::span<std::int32_t> y) {
                    burn(work.iterations / kBatch);
                    std::copy_n(work.pixels.begin() + static_cast<std::ptrdiff_t>(n[0]) *
                                                          static_cast<std::ptrdiff_t>(kPixels),
                                kPixels, x.begin());
                    y[0] = n[0] % 10;
                  });
      add("d: Dataset, batch, prefetch",
          fit_seconds(model, rows.batch(kBatch).prefetch(AUTOTUNE), AUTOTUNE));
      Tensor y(Shape{16 * kBatch}, DType::int32);
      const SourceHandle cached = cache_on_device(
          Tensor::from<T>({16 * kBatch, 28, 28, 1}, std::span<const T>(work.pixels)), y,
          {.batch_size = kBatch, .shuffle = true});
      model.fit(cached, {.verbose = 0});
      const double begin = now();
      model.fit(cached, {.epochs = 4, .verbose = 0});
      add("e: cached on the device", (now() - begin) / 64);
    }
  }
}

void article() {
  const Calibration calibration = calibrate();
  row("article", "cpu", "calibration", figure("ms_per_step", 1e3 * calibration.step));
  article_rows<double>("float64", calibration, Device::cpu(), "cpu");
  article_rows<float>("float32", calibration, Device::cpu(), "cpu");
  article_rows<std::uint8_t>("uint8", calibration, Device::cpu(), "cpu");
}

// ---- cores ----
// A generator that takes half of a core, beside the step: what the step loses to it.
void cores() {
  const Calibration calibration = calibrate();
  Sequential model = make_cnn(false);
  const auto step = [&](std::int64_t iterations) {
    Work<float> work;
    work.iterations = iterations;
    return fit_seconds(model, handle_of(work), 1);
  };
  double alone = 1e9;
  double beside = 1e9;
  for (int round = 0; round < 7; ++round) {
    alone = std::min(alone, step(0));
    beside = std::min(beside, step(calibration.iterations / 2));
  }
  // A batch costs what half of a step does on one core; shared out evenly, all cores wait for it.
  const auto all = static_cast<double>(std::max(1U, std::thread::hardware_concurrency()));
  row("cores", "half a core to generate", "stoker",
      figure("slower", beside / alone) + ", " + figure("fair", (all + 0.5) / all));
}

// ---- autotune ----
void autotune() {
  const Calibration calibration = calibrate();
  const auto compare = [](const std::string& name, Model& model, const SourceHandle& source) {
    // All settings take turns, so that what else the machine does meets them alike.
    std::map<std::pair<int, int>, double> fastest;
    FeedReport report;
    double tuned = 1e9;
    for (int round = 0; round < 4; ++round) {
      for (const int workers : {1, 2, 4, 8}) {
        for (const int queue : {2, 10}) {
          double& seconds = fastest.try_emplace({workers, queue}, 1e9).first->second;
          seconds = std::min(seconds, fit_seconds(model, source, workers, nullptr, queue));
        }
      }
      tuned = std::min(tuned, fit_seconds(model, source, AUTOTUNE, &report, AUTOTUNE));
    }
    const auto best_setting = std::ranges::min_element(
        fastest, [](const auto& a, const auto& b) { return a.second < b.second; });
    const double best = best_setting->second;
    const std::string chosen = std::to_string(best_setting->first.first) + "/" +
                               std::to_string(best_setting->first.second);
    row("autotune", name, "stoker",
        figure("against_best_fixed", tuned / best) + ", \"best_fixed\": \"" + chosen +
            "\", \"chose\": \"" + std::to_string(report.workers) + "/" +
            std::to_string(report.queue_size) + "\"");
  };
  for (const double cost : {0.0, 0.5, 1.0, 2.0}) {
    Sequential model = make_cnn(false);
    Work<float> work;
    work.iterations = static_cast<std::int64_t>(cost * static_cast<double>(calibration.iterations));
    compare("cpu, computes, cost " + text(cost), model, handle_of(work));
  }
  for (const double cost : {0.5, 1.0, 3.0}) {
    Sequential model = make_cnn(false);
    const double seconds = cost * calibration.step;
    auto waiting = generator<float, std::int32_t>(
        kShapes, pure([seconds](BatchContext&, std::span<float> x, std::span<std::int32_t> y) {
          std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
          std::ranges::fill(x, 0.5f);
          std::ranges::fill(y, 1);
        }));
    compare("cpu, waits, cost " + text(cost), model, waiting);
  }
  for (const double cost : {0.5, 1.0, 3.0}) {
    Sequential model({Input({256}), Dense(1)},
                     {.threads = 1, .device = Device::simulated({.step_seconds = 3e-3})});
    model.compile({.optimizer = "sgd", .loss = "mse"});
    auto waiting =
        generator<float, float>({.x = {32, 256}, .y = {32, 1}},
                                pure([cost](BatchContext&, std::span<float> x, std::span<float> y) {
                                  pass_time(3e-3 * cost);
                                  std::ranges::fill(x, 0.5f);
                                  std::ranges::fill(y, 1.0f);
                                }));
    compare("simulated, cost " + text(cost), model, waiting);
  }
}

// ---- advice ----
// The first advice, carried out: predicted against measured.
void advice_row(const std::string& name, const FeedReport& before, double after,
                const std::string& wanted) {
  for (const Advice& advice : before.advice()) {
    if (!advice.change.starts_with(wanted)) continue;
    row("advice", name, "stoker",
        "\"class\": \"" + std::string(FeedReport::name_of(before.classify())) +
            "\", \"change\": \"" + advice.change + "\", " +
            figure("ms_before", 1e3 * before.seconds_per_batch()) + ", " +
            figure("ms_predicted", 1e3 * advice.predicted) + ", " +
            figure("ms_after", 1e3 * after) + ", " +
            figure("predicted_over_measured",
                   advice.speedup() / (before.seconds_per_batch() / after)));
    return;
  }
  row("advice", name, "stoker", "\"error\": \"no advice begins with " + wanted + "\"");
}

// Milliseconds of the stages on the simulated device, with 30% of jitter on each.
struct Stages {
  double generate, upload, step;
};

constexpr double kJitter = 0.3;

template <class T>
FeedReport run_simulated(const Stages& stages, double bytes_per_second, int workers, int queue,
                         double late_share = 0.0) {
  Sequential model({Input({2048}), Dense(1)},
                   {.threads = 1,
                    .device = Device::simulated({.upload_bytes_per_second = bytes_per_second,
                                                 .step_seconds = 1e-3 * stages.step,
                                                 .jitter = kJitter})});
  model.compile({.optimizer = SGD({.learning_rate = 0.0}), .loss = "mse"});
  auto batches = generator<T, float>(
      {.x = {32, 2048}, .y = {32, 1}},
      pure([=](BatchContext& batch, std::span<T>, std::span<float>) {
        const bool late = batch.random.uniform() < static_cast<float>(late_share);
        pass_time(1e-3 * stages.generate * (late ? 12.0 : 1.0) *
                  (1.0 + kJitter * batch.random.uniform(-1.0f, 1.0f)));
      }));
  model.fit_generator(batches, {.steps_per_epoch = 3, .verbose = 0});
  return model
      .fit_generator(batches, {.steps_per_epoch = 400,
                               .verbose = 0,
                               .max_queue_size = queue,
                               .workers = workers,
                               .nan_policy = NanPolicy::allow})
      .feed;
}

// The number behind the arrow of "workers 1 → 3 and max_queue_size ...".
int number_after(const std::string& change, const std::string& what) {
  const std::size_t begin = change.find(what);
  if (begin == std::string::npos) return -1;
  const std::string arrow = "→ ";
  return std::atoi(change.c_str() + change.find(arrow, begin) + arrow.size());
}

void advice() {
  const double bytes = 4.0 * 32 * 2049;
  const auto carry_out = [&](const std::string& name, const Stages& stages, int queue, double late,
                             const std::string& wanted) {
    const double rate = 1e3 * bytes / stages.upload;
    const FeedReport before = run_simulated<float>(stages, rate, 1, queue, late);
    for (const Advice& one : before.advice()) {
      if (!one.change.starts_with(wanted)) continue;
      const int workers = std::max(1, number_after(one.change, "workers"));
      const int deeper = number_after(one.change, "max_queue_size");
      const FeedReport after =
          run_simulated<float>(stages, rate, workers, deeper > 0 ? deeper : queue, late);
      advice_row(name, before, after.seconds_per_batch(), wanted);
      return;
    }
    advice_row(name, before, 0.0, wanted);
  };
  carry_out("simulated, generator-bound 4:1:2", {4, 1, 2}, 10, 0.0, "workers");
  carry_out("simulated, generator-bound 6:1:1", {6, 1, 1}, 10, 0.0, "workers");
  carry_out("simulated, late batches, queue 1", {1.0, 0.5, 2}, 1, 0.08, "max_queue_size");
  {
    const Stages stages{1, 4, 1.5};
    const double rate = 1e3 * bytes / stages.upload;
    const FeedReport before = run_simulated<float>(stages, rate, 1, 10);
    advice_row("simulated, upload-bound, float32 to uint8", before,
               run_simulated<std::uint8_t>(stages, rate, 1, 10).seconds_per_batch(), "uint8");
  }
  const Calibration calibration = calibrate();
  Sequential model = make_cnn(false);
  const auto on_cpu = [&](const std::string& name, const SourceHandle& source,
                          const std::string& wanted,
                          const std::function<double(const Advice&)>& after) {
    FeedReport before;
    fit_seconds(model, source, 1, &before);
    for (const Advice& one : before.advice()) {
      if (one.change.starts_with(wanted)) return advice_row(name, before, after(one), wanted);
    }
    advice_row(name, before, 0.0, wanted);
  };
  const auto seconds_of = [](const FeedReport& report) { return report.seconds_per_batch(); };
  {
    const double seconds = 3.0 * calibration.step;
    auto waiting = generator<float, std::int32_t>(
        kShapes, pure([seconds](BatchContext&, std::span<float> x, std::span<std::int32_t> y) {
          std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
          std::ranges::fill(x, 0.5f);
          std::ranges::fill(y, 1);
        }));
    on_cpu("cpu, waits for 3 steps", waiting, "workers", [&](const Advice& one) {
      FeedReport report;
      fit_seconds(model, waiting, number_after(one.change, "workers"), &report);
      return seconds_of(report);
    });
  }
  for (const double cost : {2.0, 4.0}) {
    Work<float> work;
    work.iterations = static_cast<std::int64_t>(cost * static_cast<double>(calibration.iterations));
    Work<float> nothing;
    on_cpu("cpu, computes for " + text(cost) + " steps, made free", handle_of(work),
           "a cheaper batch", [&](const Advice&) {
             FeedReport report;
             fit_seconds(model, handle_of(nothing), 1, &report);
             return seconds_of(report);
           });
  }
}

int serve(double cost) {
  const Calibration calibration = calibrate();
  Work<float> work;
  work.iterations = static_cast<std::int64_t>(cost * static_cast<double>(calibration.iterations));
  std::cout << "iterations " << calibration.iterations << std::endl;
  Sequential model = make_cnn(false);
  const SourceHandle source = handle_of(work);
  for (std::string word; std::cin >> word && word == "steps";) {
    std::int64_t steps = 0;
    std::cin >> steps;
    const double begin = now();
    model.fit(source, {.steps_per_epoch = steps, .verbose = 0, .workers = AUTOTUNE});
    std::cout << "seconds " << now() - begin << std::endl;
  }
  return EXIT_SUCCESS;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string section = argc > 1 ? argv[1] : "";
  if (section == "serve" && argc > 2) return serve(std::atof(argv[2]));
  if (section == "calibrate") {
    std::cout << calibrate().iterations << std::endl;
    return EXIT_SUCCESS;
  }
  const std::vector<std::pair<std::string, void (*)()>> sections = {
      {"overlap", overlap}, {"ring", ring},         {"article", article},
      {"cores", cores},     {"autotune", autotune}, {"advice", advice}};
  for (const auto& [name, run] : sections) {
    if (name != section) continue;
    run();
    return EXIT_SUCCESS;
  }
  std::cerr << "usage: feed_bench overlap|ring|article|cores|autotune|advice\n"
               "       feed_bench serve COST\n       feed_bench calibrate\n";
  return EXIT_FAILURE;
}

// For each of forty situations this benchmark prints the verdict, its first advice, and the effect
// of the advice when it was carried out. tests/report/matrix_test.cpp plays such situations on a
// clock of its own; here they really run. This is a part of the suite `feed`;
// benchmarks/feed/bench.py runs it.
//
// The section what_if does the same with the predictions of FeedReport::what_if().
//
//   feed_matrix_bench matrix|what_if [ITERATIONS SECONDS]
#include <stoker/device_source.h>
#include <stoker/stoker.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "feed/common.h"
#include "feed/matrix_cases.h"

namespace {

using namespace stoker;         // NOLINT(google-build-using-namespace)
using namespace stoker::bench;  // NOLINT(google-build-using-namespace)

constexpr std::int64_t kRows = 32;
constexpr std::int64_t kColumns = 2048;
constexpr double kJitter = 0.3;

class Bench {
 public:
  explicit Bench(const Calibration& calibration) : calibration_(calibration) {}

  // A shared processor changes its speed from one second to the next, so cases that run on it are
  // repeated, with before and after by turns. The row shows the repetition with the median ratio.
  void run(const Case& one) {
    std::vector<Outcome> outcomes;
    for (int round = 0; round < (one.on_cpu ? kRounds : 1); ++round)
      outcomes.push_back(try_once(one));
    const auto exact = std::ranges::count_if(outcomes, &Outcome::exact);
    std::ranges::sort(outcomes, {}, &Outcome::ratio);
    const Outcome& middle = outcomes[outcomes.size() / 2];
    std::string figures = "\"class\": \"" + middle.name + "\", \"change\": \"" + middle.change +
                          "\", \"as_expected\": \"" + std::to_string(exact) + " of " +
                          std::to_string(outcomes.size()) + "\", " +
                          figure("ms_before", 1e3 * middle.before);
    if (!middle.change.empty()) {
      figures += ", " + figure("ms_predicted", 1e3 * middle.predicted) + ", " +
                 figure("ms_after", 1e3 * middle.after) + ", " +
                 figure("predicted_over_measured", middle.ratio) + ", " +
                 figure("lowest", outcomes.front().ratio) + ", " +
                 figure("highest", outcomes.back().ratio);
    }
    row("matrix", one.name, "stoker", figures);
  }

  // Predicts what a change would bring, and carries it out.
  void imagine(const Case& one, const char* name, const WhatIf& change) {
    const FeedReport report = train(one);
    const stoker::Outcome outcome = report.what_if(change);
    Case then = one;
    then.cost.step /= change.device_speed;
    then.cost.generate /= change.generator_speed;
    then.cost.upload *= change.upload_bytes;
    then.workers = change.workers.value_or(one.workers);
    then.queue = change.queue.value_or(one.queue);
    const double after = train(then).seconds_per_batch();
    row("what_if", std::string(one.name) + ", " + name, "stoker",
        "\"limit\": \"" + outcome.limit + "\", " +
            figure("ms_before", 1e3 * outcome.seconds_per_batch) + ", " +
            figure("ms_predicted", 1e3 * outcome.predicted) + ", " +
            figure("ms_after", 1e3 * after) + ", " +
            figure("predicted_over_measured", outcome.predicted / after));
  }

 private:
  static constexpr int kRounds = 5;

  struct Outcome {
    std::string name;    // The verdict's class.
    std::string change;  // The change that the first advice asks for.
    bool exact = false;
    double before = 0.0;  // The seconds of a step, as are the next two.
    double predicted = 0.0;
    double after = 0.0;
    double ratio = 0.0;  // The predicted gain divided by the measured one.
  };

  Outcome try_once(const Case& one) {
    const FeedReport report = train(one);
    const std::vector<Advice> advice = report.advice();
    Outcome outcome;
    outcome.name = FeedReport::name_of(report.classify());
    outcome.before = report.seconds_per_batch();
    if (!advice.empty()) outcome.change = advice[0].change;
    const std::string begins = one.advice;
    outcome.exact = outcome.name == one.expected &&
                    (begins.empty() ? outcome.change.empty() : outcome.change.starts_with(begins));
    if (advice.empty()) return outcome;
    outcome.predicted = advice[0].predicted;
    outcome.after = carry_out(one, outcome.change);
    outcome.ratio = advice[0].speedup() / (outcome.before / outcome.after);
    return outcome;
  }

  double seconds_of(const Case& one, double cost) const {
    return one.on_cpu ? cost * calibration_.step : 1e-3 * cost;
  }

  // The work of generating a batch's rows, whatever kind of source asks for it.
  std::function<void(Random&)> work_of(const Case& one) const {
    const double seconds = seconds_of(one, one.cost.generate);
    const auto iterations = static_cast<double>(calibration_.iterations) / calibration_.step;
    const Cost cost = one.cost;
    const bool on_cpu = one.on_cpu;
    return [=](Random& random) {
      const bool late = random.uniform() < static_cast<float>(cost.late);
      const double all = seconds * (late ? 12.0 : 1.0) *
                         (1.0 + kJitter * static_cast<double>(random.uniform(-1.0f, 1.0f)));
      if (cost.computes) {
        burn(static_cast<std::int64_t>(iterations * all));
      } else if (on_cpu) {
        std::this_thread::sleep_for(std::chrono::duration<double>(all));
      } else {
        pass_time(all);
      }
    };
  }

  template <class X, class Y>
  static void set(std::span<X> x, std::span<Y> y) {
    std::ranges::fill(x, X(1));
    std::ranges::fill(y, Y(1));
  }

  // Makes the source of a case, with fields of types X and Y.
  template <class X, class Y>
  SourceHandle source_of(const Case& one, const BatchShapes& shapes) const {
    const auto work = work_of(one);
    const auto fill = [work](BatchContext& batch, std::span<X> x, std::span<Y> y) {
      work(batch.random);
      set(x, y);
    };
    switch (one.kind) {
      case Kind::capturing:
        return generator<X, Y>(shapes, fill);
      case Kind::coroutine:
        return coroutine<X, Y>(shapes, [work](BatchWriter<X, Y>& batch) -> BatchCoroutine {
          for (;;) {
            work(batch.random());
            const auto [x, y] = batch.fields();
            set(x, y);
            co_yield whole_batch;
          }
        });
      case Kind::custom:
        return SourceHandle(std::make_shared<Custom<X, Y>>(shapes, work));
      case Kind::sequence:
        return SourceHandle(std::make_shared<Numbered<X, Y>>(shapes, work));
      case Kind::numbered:
      case Kind::in_turn:
        return dataset_of<X, Y>(one, shapes, work);
      case Kind::doubles:
        return cast<float>(generator<double, Y>(
            shapes, pure([work](BatchContext& batch, std::span<double> x, std::span<Y> y) {
              work(batch.random);
              set(x, y);
            })));
      default:
        return generator<X, Y>(shapes, pure(fill));
    }
  }

  template <class X, class Y>
  class Custom : public BatchGenerator<X, Y> {
   public:
    Custom(const BatchShapes& shapes, std::function<void(Random&)> work)
        : BatchGenerator<X, Y>(shapes), work_(std::move(work)) {}
    std::int64_t fill(BatchContext& batch, std::span<X> x, std::span<Y> y) override {
      work_(batch.random);
      set(x, y);
      return this->spec().batch_size();
    }
    bool endless() const override { return true; }

   private:
    std::function<void(Random&)> work_;
  };

  template <class X, class Y>
  class Numbered : public Sequence<X, Y> {
   public:
    Numbered(const BatchShapes& shapes, std::function<void(Random&)> work)
        : Sequence<X, Y>(shapes), work_(std::move(work)) {}
    std::int64_t size() const override { return 100'000; }
    std::int64_t fill(BatchContext& batch, std::span<X> x, std::span<Y> y) override {
      work_(batch.random);
      set(x, y);
      return this->spec().batch_size();
    }

   private:
    std::function<void(Random&)> work_;
  };

  // One element is a whole batch, so that it costs the same as in other sources.
  template <class X, class Y>
  SourceHandle dataset_of(const Case& one, const BatchShapes& shapes,
                          const std::function<void(Random&)>& work) const {
    const auto batches = range(1'000'000).template map<X, Y>(
        {shapes.x, shapes.y},
        [work](MapContext& context, std::span<const std::int32_t>, std::span<X> x, std::span<Y> y) {
          work(context.random);
          set(x, y);
        });
    if (one.kind == Kind::numbered) return batches;
    return batches.filter([](std::span<const X>, std::span<const Y>) { return true; });
  }

  FeedReport train(const Case& one) {
    if (!one.on_cpu) return train_simulated<float>(one);
    if (!cnn_) cnn_.emplace(make_cnn());
    return fit_middle(*cnn_, source_of<float, std::int32_t>(one, kShapes), one, 60);
  }

  template <class X>
  FeedReport train_simulated(const Case& one, std::int64_t rows = kRows) {
    return train_simulated_on(source_of<X, float>(one, {.x = {rows, kColumns}, .y = {rows, 1}}),
                              one, rows);
  }

  static FeedReport train_simulated_on(const SourceHandle& source, const Case& one,
                                       std::int64_t rows) {
    const double bytes = 4.0 * static_cast<double>(kRows * (kColumns + 1));
    Sequential model(
        {Input({kColumns}), Dense(1)},
        {.threads = 1,
         .device = Device::simulated({.upload_bytes_per_second = 1e3 * bytes / one.cost.upload,
                                      .step_seconds = 1e-3 * one.cost.step,
                                      .launch_seconds = 1e-3 * one.cost.launch,
                                      .jitter = kJitter})});
    model.compile({.optimizer = SGD({.learning_rate = 0.0}), .loss = "mse"});
    return fit_middle(model, source, one, 250 * kRows / rows);
  }

  static FeedReport fit_middle(Model& model, const SourceHandle& source, const Case& one,
                               std::int64_t steps) {
    return model
        .fit(source, {.steps_per_epoch = steps,
                      .epochs = 3,
                      .verbose = 0,
                      .max_queue_size = one.queue,
                      .workers = one.workers,
                      .nan_policy = NanPolicy::allow})
        .feed_by_epoch[1];
  }

  // Returns the number behind the arrow of "workers 1 → 3 and max_queue_size ...", or 0 where there
  // is none.
  static int number_after(const std::string& change, const std::string& what) {
    const std::size_t begin = change.find(what);
    if (begin == std::string::npos) return 0;
    const std::string arrow = "→ ";
    return std::atoi(change.c_str() + change.find(arrow, begin) + arrow.size());
  }

  double carry_out(Case one, const std::string& change) {
    if (const int workers = number_after(change, "workers")) {
      one.workers = workers;
      if (one.kind == Kind::in_turn) one.kind = Kind::numbered;
      if (one.kind != Kind::doubles && one.kind != Kind::numbered) one.kind = Kind::lambda;
    }
    if (const int queue = number_after(change, "max_queue_size")) one.queue = queue;
    if (change.starts_with("a cheaper batch")) one.cost.generate = 0.0;
    if (change.starts_with("fill float")) one.kind = Kind::lambda;
    if (change.starts_with("uint8")) return train_simulated<std::uint8_t>(one).seconds_per_batch();
    if (change.starts_with("cache_on_device")) {
      const SourceHandle cached = cache_on_device(Tensor({64 * kRows, kColumns}),
                                                  Tensor({64 * kRows, 1}), {.batch_size = kRows});
      return train_simulated_on(cached, one, kRows).seconds_per_batch();
    }
    if (change.starts_with("a batch_size")) {
      // One large step holds four steps, and is launched once.
      one.cost.step *= 4.0;
      one.cost.generate *= 4.0;
      return train_simulated<float>(one, 4 * kRows).seconds_per_batch() / 4.0;
    }
    return train(one).seconds_per_batch();
  }

  const Calibration calibration_;
  std::optional<Model> cnn_;
};

void matrix(const Calibration& calibration) {
  Bench bench(calibration);
  for (const Case& one : kCases) bench.run(one);
}

// Thirty changes of six trainings. The costs are milliseconds.
void what_if(const Calibration& calibration) {
  const auto training = [](const char* name, double generate, double upload, double step) {
    Case one{};
    one.name = name;
    one.cost = {};
    one.cost.generate = generate;
    one.cost.upload = upload;
    one.cost.step = step;
    one.kind = Kind::lambda;
    one.workers = 1;
    one.queue = 10;
    return one;
  };
  const Case trainings[] = {
      training("generator 4 ms", 4, 0.5, 2), training("generator 12 ms", 12, 1, 2),
      training("upload 4 ms", 1, 4, 1.5),    training("step 4 ms", 1, 0.5, 4),
      training("all 3 ms", 3, 3, 3),         training("generator 30 ms", 30, 0.5, 1),
  };
  const std::pair<const char*, WhatIf> changes[] = {
      {"device 4 times as fast", {.device_speed = 4}},
      {"half as fast a device", {.device_speed = 0.5}},
      {"8 workers, a queue of 32", {.workers = 8, .queue = 32}},
      {"a quarter of the bytes", {.upload_bytes = 0.25}},
      {"device twice as fast, 3 workers, half the bytes",
       {.device_speed = 2, .workers = 3, .upload_bytes = 0.5}},
  };
  Bench bench(calibration);
  for (const Case& one : trainings) {
    for (const auto& [name, change] : changes) bench.imagine(one, name, change);
  }
}

}  // namespace

int main(int argc, char** argv) {
  return run_section({{"matrix", matrix}, {"what_if", what_if}}, argc, argv);
}

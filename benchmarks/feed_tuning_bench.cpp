// Measures how well the feed uses its measurements: AUTOTUNE against fixed settings, and advice
// against its effect. This is a part of the suite `feed`; benchmarks/feed/bench.py runs it.
//
//   feed_tuning_bench SECTION [ITERATIONS SECONDS]
//       SECTION is autotune, autotune-waits, autotune-simulated, autotune-slow or advice.
#include <stoker/stoker.h>

#include <algorithm>
#include <functional>
#include <map>
#include <string>

#include "feed/common.h"

namespace {

using namespace stoker;         // NOLINT(google-build-using-namespace)
using namespace stoker::bench;  // NOLINT(google-build-using-namespace)

// ---- autotune ----
double median(std::vector<double> values) {
  std::ranges::sort(values);
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : 0.5 * (values[half - 1] + values[half]);
}

// The numbers of workers and of queue slots, of which either may be AUTOTUNE.
using Setting = std::pair<int, int>;
constexpr Setting kTuned{AUTOTUNE, AUTOTUNE};

// The times of one setting. Fits of different settings take turns, so that other load on the
// machine affects all alike. The typical time is the median, because the fastest of many would be
// luck.
struct Fits {
  std::vector<double> seconds;
  FeedReport last;

  double typical() const { return median(seconds); }
};

// Chooses the best of the fixed settings, and measures those close to the best again. The best of
// several was also lucky, so it then races against AUTOTUNE in new fits. Each round runs the best
// setting before and after AUTOTUNE, because a shared machine changes its speed within seconds: the
// difference of these two is due to the machine.
void compare(const std::string& section, const std::string& name, Model& model,
             const SourceHandle& source) {
  constexpr double kInReach = 1.08;
  constexpr int kChoosing = 1;
  constexpr int kRacing = 21;
  std::map<Setting, Fits> tried;
  const auto measure = [&](const Setting& setting, Fits& fits) {
    fits.last = fit_report(model, source, {.workers = setting.first, .queue = setting.second});
    fits.seconds.push_back(fits.last.wall / static_cast<double>(fits.last.batches));
  };
  const auto best = [&] {
    return std::ranges::min_element(tried, {},
                                    [](const auto& entry) { return entry.second.typical(); });
  };
  for (const int workers : {1, 2, 4}) {
    for (const int queue : {2, 10}) measure({workers, queue}, tried[{workers, queue}]);
  }
  Fits beside;  // The fits with AUTOTUNE while the best setting is chosen.
  for (int round = 0; round < kChoosing; ++round) {
    const double reach = kInReach * best()->second.typical();
    for (auto& [setting, fits] : tried) {
      if (fits.typical() <= reach) measure(setting, fits);
    }
    measure(kTuned, beside);
  }
  const auto [setting, chosen] = *best();
  Fits fixed, tuned, again;
  std::vector<double> ratios, themselves;
  for (int round = 0; round < kRacing; ++round) {
    measure(setting, fixed);
    measure(kTuned, tuned);
    measure(setting, again);
    const double before = fixed.seconds.back();
    const double after = again.seconds.back();
    ratios.push_back(tuned.seconds.back() / (0.5 * (before + after)));
    themselves.push_back(after / before);
  }
  Fits all = fixed;
  all.seconds.insert(all.seconds.end(), again.seconds.begin(), again.seconds.end());
  row(section, name, "stoker",
      figure("against_best_fixed", median(ratios)) + ", " +
          figure("fastest_against_fastest",
                 std::ranges::min(tuned.seconds) / std::ranges::min(all.seconds)) +
          ", " + figure("best_fixed_against_itself", median(themselves)) + ", " +
          figure("while_choosing", beside.typical() / chosen.typical()) + ", \"rounds\": " +
          std::to_string(kRacing) + ", \"best_fixed\": \"" + std::to_string(setting.first) + "/" +
          std::to_string(setting.second) + "\", \"chose\": \"" +
          std::to_string(tuned.last.workers) + "/" + std::to_string(tuned.last.queue_size) +
          "\", " + figure("ms_per_step", 1e3 * tuned.typical()));
}

// These generators compute on the step's own cores.
void autotune(const Calibration& calibration) {
  Model cnn = make_cnn();
  for (const double cost : {0.0, 0.5, 1.0, 2.0}) {
    Work<float> work;
    work.iterations = calibration.costing(cost);
    compare("autotune", "cpu, computes, cost " + text(cost), cnn, handle_of(work));
  }
}

void autotune_waits(const Calibration& calibration) {
  Model cnn = make_cnn();
  for (const double cost : {0.5, 1.0, 3.0}) {
    const double seconds = cost * calibration.step;
    compare(
        "autotune-waits", "cpu, waits, cost " + text(cost), cnn,
        generator<float, std::int32_t>(
            kShapes, pure([seconds](BatchContext&, std::span<float> x, std::span<std::int32_t> y) {
              std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
              std::ranges::fill(x, 0.5f);
              std::ranges::fill(y, 1);
            })));
  }
}

void autotune_simulated(const Calibration&) {
  Sequential model({Input({256}), Dense(1)},
                   {.threads = 1, .device = Device::simulated({.step_seconds = 3e-3})});
  model.compile({.optimizer = "sgd", .loss = "mse"});
  for (const double cost : {0.5, 1.0, 3.0}) {
    compare(
        "autotune-simulated", "simulated, cost " + text(cost), model,
        generator<float, float>({.x = {32, 256}, .y = {32, 1}},
                                pure([cost](BatchContext&, std::span<float> x, std::span<float> y) {
                                  pass_time(3e-3 * cost);
                                  std::ranges::fill(x, 0.5f);
                                  std::ranges::fill(y, 1.0f);
                                })));
  }
}

// A batch takes a thousand times as long as a step and hardly uses a core, so many workers are
// wanted. Only the last of several epochs is compared, because AUTOTUNE takes the ones before to
// settle. Each round runs all fixed settings of 8 to 64 workers.
void slow(const std::string& name, Model& model) {
  constexpr int kRounds = 5;
  const SourceHandle source = generator<float, float>(
      {.x = {8, 4}, .y = {8, 1}}, pure([](BatchContext&, std::span<float> x, std::span<float> y) {
        std::this_thread::sleep_for(std::chrono::milliseconds(30));
        std::ranges::fill(x, 0.5f);
        std::ranges::fill(y, 1.0f);
      }));
  const auto seconds = [&](int workers, FeedReport& report) {
    const bool tuned = workers == AUTOTUNE;
    report = model
                 .fit(source, {.steps_per_epoch = tuned ? 1500 : std::max(200, 25 * workers),
                               .epochs = tuned ? 6 : 2,
                               .verbose = 0,
                               .max_queue_size = tuned ? AUTOTUNE : 2 * workers,
                               .workers = workers})
                 .feed_by_epoch.back();
    return report.seconds_per_batch();
  };
  std::map<int, std::vector<double>> fixed;
  std::vector<double> tuned;
  FeedReport report;
  for (int round = 0; round < kRounds; ++round) {
    for (const int workers : {8, 16, 32, 64}) fixed[workers].push_back(seconds(workers, report));
    tuned.push_back(seconds(AUTOTUNE, report));
  }
  const auto best =
      std::ranges::min_element(fixed, {}, [](const auto& entry) { return median(entry.second); });
  row("autotune-slow", name, "stoker",
      figure("against_best_fixed", median(tuned) / median(best->second)) + ", \"best_fixed\": \"" +
          std::to_string(best->first) + "\", \"chose\": \"" + std::to_string(report.workers) + "/" +
          std::to_string(report.queue_size) + "\", " + figure("ms_per_step", 1e3 * median(tuned)));
}

void autotune_slow(const Calibration&) {
  for (const bool simulated : {false, true}) {
    Sequential model(
        {Input({4}), Dense(1)},
        {.threads = 1,
         .device = simulated ? Device::simulated({.step_seconds = 24e-6}) : Device::cpu()});
    model.compile({.optimizer = "sgd", .loss = "mse"});
    slow(simulated ? "simulated" : "cpu", model);
  }
}

// ---- advice ----
// Carries out the first advice and compares the predicted gain with the measured one.
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
                   advice.speedup() / (before.seconds_per_batch() / after)) +
            ", " +
            figure("saved_over_saved", (before.seconds_per_batch() - advice.predicted) /
                                           (before.seconds_per_batch() - after)));
    return;
  }
  row("advice", name, "stoker", "\"error\": \"no advice begins with " + wanted + "\"");
}

// The milliseconds of the stages on the simulated device, with 30% of jitter on each.
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

// Returns the number behind the arrow of "workers 1 → 3 and max_queue_size ...", or -1 where there
// is none.
int number_after(const std::string& change, const std::string& what) {
  const std::size_t begin = change.find(what);
  if (begin == std::string::npos) return -1;
  const std::string arrow = "→ ";
  return std::atoi(change.c_str() + change.find(arrow, begin) + arrow.size());
}

void advice(const Calibration& calibration) {
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
  Model model = make_cnn();
  const auto on_cpu = [&](const std::string& name, const SourceHandle& source,
                          const std::string& wanted,
                          const std::function<double(const Advice&)>& after) {
    const FeedReport before = fit_report(model, source, {.steps = 60});
    for (const Advice& one : before.advice()) {
      if (one.change.starts_with(wanted)) return advice_row(name, before, after(one), wanted);
    }
    advice_row(name, before, 0.0, wanted);
  };
  {
    const double seconds = 3.0 * calibration.step;
    auto waiting = generator<float, std::int32_t>(
        kShapes, pure([seconds](BatchContext&, std::span<float> x, std::span<std::int32_t> y) {
          std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
          std::ranges::fill(x, 0.5f);
          std::ranges::fill(y, 1);
        }));
    on_cpu("cpu, waits for 3 steps", waiting, "workers", [&](const Advice& one) {
      return fit_report(model, waiting,
                        {.steps = 60, .workers = number_after(one.change, "workers")})
          .seconds_per_batch();
    });
  }
  for (const double cost : {2.0, 4.0}) {
    Work<float> work;
    work.iterations = calibration.costing(cost);
    Work<float> nothing;
    on_cpu("cpu, computes for " + text(cost) + " steps, made free", handle_of(work),
           "a cheaper batch", [&](const Advice&) {
             return fit_report(model, handle_of(nothing), {.steps = 60}).seconds_per_batch();
           });
  }
}
}  // namespace

int main(int argc, char** argv) {
  return run_section({{"autotune", autotune},
                      {"autotune-waits", autotune_waits},
                      {"autotune-simulated", autotune_simulated},
                      {"autotune-slow", autotune_slow},
                      {"advice", advice}},
                     argc, argv);
}

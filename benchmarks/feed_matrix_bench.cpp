// Forty situations: what the verdict calls each, what it advises first, and what came of that when
// it was carried out. tests/report/matrix_test.cpp acts such situations out on a clock of its own;
// here they run. Part of the suite `feed`; benchmarks/feed/bench.py runs it.
//
//   feed_matrix_bench matrix [ITERATIONS SECONDS]
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

namespace {

using namespace stoker;         // NOLINT(google-build-using-namespace)
using namespace stoker::bench;  // NOLINT(google-build-using-namespace)

enum class Kind { lambda, capturing, sequence, custom, coroutine, numbered, in_turn, doubles };

// What a batch costs, in milliseconds on the simulated device, in steps on the CPU.
struct Cost {
  double generate = 0.0;
  bool computes = false;
  double late = 0.0;  // this share of the batches takes twelve times as long
  double upload = 0.5;
  double launch = 0.0;
  double step = 0.0;
};

struct Case {
  const char* name;
  bool on_cpu;
  Kind kind;
  Cost cost;
  int workers;
  int queue;
  const char* expected;  // class
  const char* advice;    // how the first begins; empty: none
};

constexpr std::int64_t kRows = 32;
constexpr std::int64_t kColumns = 2048;
constexpr double kJitter = 0.3;

class Bench {
 public:
  explicit Bench(const Calibration& calibration) : calibration_(calibration) {}

  void run(const Case& one) {
    const FeedReport before = train(one);
    const std::vector<Advice> advice = before.advice();
    const std::string change = advice.empty() ? "" : advice[0].change;
    const bool exact = FeedReport::name_of(before.classify()) == std::string(one.expected) &&
                       (one.advice[0] == '\0' ? change.empty() : change.starts_with(one.advice));
    std::string figures = "\"class\": \"" + std::string(FeedReport::name_of(before.classify())) +
                          "\", \"change\": \"" + change +
                          "\", \"as_expected\": " + (exact ? "true" : "false") + ", " +
                          figure("ms_before", 1e3 * before.seconds_per_batch());
    if (!advice.empty()) {
      const double after = carry_out(one, change);
      figures += ", " + figure("ms_predicted", 1e3 * advice[0].predicted) + ", " +
                 figure("ms_after", 1e3 * after) + ", " +
                 figure("predicted_over_measured",
                        advice[0].speedup() / (before.seconds_per_batch() / after));
    }
    row("matrix", one.name, "stoker", figures);
  }

 private:
  double seconds_of(const Case& one, double cost) const {
    return one.on_cpu ? cost * calibration_.step : 1e-3 * cost;
  }

  // What a batch's rows cost, whoever asks for them.
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

  // The source of a case, for fields of X and Y.
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

  // A batch is one element, so that it costs what it costs elsewhere.
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
  FeedReport train_simulated(const Case& one, std::int64_t rows = kRows,
                             std::optional<SourceHandle> source = std::nullopt) {
    const double bytes = 4.0 * static_cast<double>(kRows * (kColumns + 1));
    Sequential model(
        {Input({kColumns}), Dense(1)},
        {.threads = 1,
         .device = Device::simulated({.upload_bytes_per_second = 1e3 * bytes / one.cost.upload,
                                      .step_seconds = 1e-3 * one.cost.step,
                                      .launch_seconds = 1e-3 * one.cost.launch,
                                      .jitter = kJitter})});
    model.compile({.optimizer = SGD({.learning_rate = 0.0}), .loss = "mse"});
    if (!source) {
      source = source_of<X, float>(one, {.x = {rows, kColumns}, .y = {rows, 1}});
    }
    return fit_middle(model, *source, one, 250 * kRows / rows);
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

  // The number behind the arrow of "workers 1 → 3 and max_queue_size ..."; 0 without one.
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
      return train_simulated<float>(one, kRows, cached).seconds_per_batch();
    }
    if (change.starts_with("a batch_size")) {
      // Four steps in one, which is launched once.
      one.cost.step *= 4.0;
      one.cost.generate *= 4.0;
      return train_simulated<float>(one, 4 * kRows).seconds_per_batch() / 4.0;
    }
    return train(one).seconds_per_batch();
  }

  const Calibration calibration_;
  std::optional<Sequential> cnn_;
};

constexpr Case kCases[] = {
    // ---- Simulated, milliseconds ----
    {"sim lambda 4:1:2.3",
     false,
     Kind::lambda,
     {4, false, 0, 1, 0, 2.3},
     1,
     10,
     "generator-bound",
     "workers 1 → 2"},
    {"sim lambda 6:1:1.1",
     false,
     Kind::lambda,
     {6, false, 0, 1, 0, 1.1},
     1,
     10,
     "generator-bound",
     "workers 1 → 6"},
    {"sim lambda 30:0.2:1, 11 workers",
     false,
     Kind::lambda,
     {30, false, 0, 0.2, 0, 1},
     11,
     10,
     "generator-bound",
     "workers 11 → "},
    {"sim lambda 9:1:2, 2 workers",
     false,
     Kind::lambda,
     {9, false, 0, 1, 0, 2},
     2,
     10,
     "generator-bound",
     "workers 2 → 5"},
    {"sim lambda 5:0.5:2, queue 1",
     false,
     Kind::lambda,
     {5, false, 0, 0.5, 0, 2},
     1,
     1,
     "generator-bound",
     "workers 1 → 3"},
    {"sim lambda late, queue 1",
     false,
     Kind::lambda,
     {1, false, 0.08, 0.5, 0, 2},
     1,
     1,
     "generator-bound",
     "workers 1 → 3 and max_queue_size"},
    {"sim lambda 1:0.5:3",
     false,
     Kind::lambda,
     {1, false, 0, 0.5, 0, 3},
     1,
     10,
     "compute-bound",
     ""},
    {"sim capturing lambda 5:0.5:1.2",
     false,
     Kind::capturing,
     {5, false, 0, 0.5, 0, 1.2},
     4,
     10,
     "generator-bound",
     "workers 1 → 5"},
    {"sim class 5:0.5:1.2",
     false,
     Kind::custom,
     {5, false, 0, 0.5, 0, 1.2},
     4,
     10,
     "generator-bound",
     "workers 1 → 5"},
    {"sim coroutine 5:0.5:1.2",
     false,
     Kind::coroutine,
     {5, false, 0, 0.5, 0, 1.2},
     4,
     10,
     "generator-bound",
     "workers 1 → 5"},
    {"sim Sequence 5:0.5:1.2",
     false,
     Kind::sequence,
     {5, false, 0, 0.5, 0, 1.2},
     1,
     10,
     "generator-bound",
     "workers 1 → 5"},
    {"sim Dataset 5:0.5:1.2",
     false,
     Kind::numbered,
     {5, false, 0, 0.5, 0, 1.2},
     1,
     10,
     "generator-bound",
     "workers 1 → 5"},
    {"sim Dataset in turn 5:0.5:1.2",
     false,
     Kind::in_turn,
     {5, false, 0, 0.5, 0, 1.2},
     1,
     10,
     "generator-bound",
     "workers 1 → 5"},
    {"sim Sequence 3:0.5:4",
     false,
     Kind::sequence,
     {3, false, 0, 0.5, 0, 4},
     1,
     10,
     "compute-bound",
     ""},
    {"sim uploads 1:4:1.5",
     false,
     Kind::lambda,
     {1, false, 0, 4, 0, 1.5},
     1,
     10,
     "upload-bound",
     "uint8"},
    {"sim uploads 1:6:1",
     false,
     Kind::lambda,
     {1, false, 0, 6, 0, 1},
     1,
     10,
     "upload-bound",
     "cache_on_device"},
    {"sim uploads Sequence 1:4:1.5",
     false,
     Kind::sequence,
     {1, false, 0, 4, 0, 1.5},
     1,
     10,
     "upload-bound",
     "uint8"},
    {"sim launches",
     false,
     Kind::lambda,
     {0.01, false, 0, 0.05, 2, 0.3},
     1,
     10,
     "launch-bound",
     "a batch_size"},
    {"sim computes 3 on 2 cores, step 1",
     false,
     Kind::lambda,
     {3, true, 0, 0.5, 0, 1},
     1,
     10,
     "generator-bound",
     "workers 1 → "},
    {"sim computes 3, 2 workers, step 0.5",
     false,
     Kind::lambda,
     {3, true, 0, 0.5, 0, 0.5},
     2,
     10,
     "generator-bound",
     "a cheaper batch"},
    {"sim class computes 3, step 1",
     false,
     Kind::custom,
     {3, true, 0, 0.5, 0, 1},
     1,
     10,
     "generator-bound",
     "workers 1 → "},
    {"sim doubles, computes 1, step 4",
     false,
     Kind::doubles,
     {1, true, 0, 0.5, 0, 4},
     1,
     10,
     "compute-bound",
     ""},
    // ---- The CPU, steps ----
    {"cpu lambda waits for 3 steps",
     true,
     Kind::lambda,
     {3, false},
     1,
     10,
     "generator-bound",
     "workers 1 → "},
    {"cpu lambda waits for 2 steps",
     true,
     Kind::lambda,
     {2, false},
     1,
     10,
     "generator-bound",
     "workers 1 → "},
    {"cpu lambda waits for 6 steps",
     true,
     Kind::lambda,
     {6, false},
     1,
     10,
     "generator-bound",
     "workers 1 → "},
    {"cpu lambda waits for 6 steps, 2 workers",
     true,
     Kind::lambda,
     {6, false},
     2,
     10,
     "generator-bound",
     "workers 2 → "},
    {"cpu class waits for 3 steps",
     true,
     Kind::custom,
     {3, false},
     4,
     10,
     "generator-bound",
     "workers 1 → "},
    {"cpu coroutine waits for 3 steps",
     true,
     Kind::coroutine,
     {3, false},
     4,
     10,
     "generator-bound",
     "workers 1 → "},
    {"cpu Sequence waits for 3 steps",
     true,
     Kind::sequence,
     {3, false},
     1,
     10,
     "generator-bound",
     "workers 1 → "},
    {"cpu Dataset waits for 3 steps",
     true,
     Kind::numbered,
     {3, false},
     1,
     10,
     "generator-bound",
     "workers 1 → "},
    {"cpu Dataset in turn waits for 3 steps",
     true,
     Kind::in_turn,
     {3, false},
     1,
     10,
     "generator-bound",
     "workers 1 → "},
    {"cpu lambda waits for 3 steps, queue 2",
     true,
     Kind::lambda,
     {3, false},
     1,
     2,
     "generator-bound",
     "workers 1 → "},
    {"cpu lambda waits for 0.5 steps",
     true,
     Kind::lambda,
     {0.5, false},
     1,
     10,
     "compute-bound",
     ""},
    {"cpu nothing", true, Kind::lambda, {0, false}, 1, 10, "compute-bound", ""},
    {"cpu Dataset of nothing", true, Kind::numbered, {0, false}, 1, 10, "compute-bound", ""},
    {"cpu lambda computes for 1 step",
     true,
     Kind::lambda,
     {1, true},
     1,
     10,
     "compute-bound",
     "a cheaper batch"},
    {"cpu lambda computes for 2 steps",
     true,
     Kind::lambda,
     {2, true},
     2,
     10,
     "compute-bound",
     "a cheaper batch"},
    {"cpu lambda computes for 4 steps, 2 workers",
     true,
     Kind::lambda,
     {4, true},
     2,
     10,
     "compute-bound",
     "a cheaper batch"},
    {"cpu Sequence computes for 4 steps",
     true,
     Kind::sequence,
     {4, true},
     1,
     10,
     "generator-bound",
     "workers 1 → 2"},
    {"cpu class computes for 4 steps",
     true,
     Kind::custom,
     {4, true},
     1,
     10,
     "generator-bound",
     "workers 1 → 2"},
};
static_assert(std::size(kCases) == 40);

void matrix(const Calibration& calibration) {
  Bench bench(calibration);
  for (const Case& one : kCases) bench.run(one);
}

}  // namespace

int main(int argc, char** argv) { return run_section({{"matrix", matrix}}, argc, argv); }

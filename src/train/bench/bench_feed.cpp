// Runs a source and a model's step, by themselves and together, and sets the model back.
#include <algorithm>
#include <optional>
#include <utility>

#include "core/check.h"
#include "core/format.h"
#include "core/timeline.h"
#include "feed/feed.h"
#include "feed/ring/sizes.h"
#include "stoker/bench.h"
#include "stoker/callbacks.h"
#include "stoker/error.h"
#include "train/bench/bench_sources.h"
#include "train/bench/diagnosis.h"
#include "train/bench/kept_state.h"
#include "train/loop/interrupt.h"
#include "train/loop/loop.h"
#include "train/model_access.h"
#include "train/runtime/in_use.h"

namespace stoker {
namespace {

using train::InterruptScope;
using train::KeptBatches;

constexpr double kWarmUp = 0.25;  // The share of the time that is not counted.
constexpr std::int64_t kMany = std::int64_t{1} << 30;
constexpr std::int64_t kKept = 16;  // The batches to keep where it is not time that counts.
constexpr std::int64_t kTries = 3;  // The steps that tell roughly how long one takes.

double seconds_since(std::int64_t begin_ns) {
  return 1e-9 * static_cast<double>(now_ns() - begin_ns);
}

// Ends a fit after a time, or after so many batches, and adds up the epochs that count.
class Stopwatch final : public Callback {
 public:
  Stopwatch(double seconds, std::optional<std::int64_t> batches)
      : seconds_(seconds), most_(batches) {}

  void on_train_begin() override { begin_ns_ = now_ns(); }
  void on_epoch_begin(std::int64_t) override {
    counts_ = most_ || seconds_since(begin_ns_) >= kWarmUp * seconds_;
  }
  void on_train_batch_end(std::int64_t, LogsView) override {
    ++batches_;
    if (most_ ? batches_ >= *most_ : seconds_since(begin_ns_) >= seconds_) {
      model().stop_training();
    }
  }
  void on_epoch_report(std::int64_t, const FeedReport& report) override {
    all_ += report;
    if (counts_) counted_ += report;
  }

  // Where the first epoch took all of the time, there is no other.
  const FeedReport& report() const { return counted_.batches > 0 ? counted_ : all_; }

 private:
  const double seconds_;
  const std::optional<std::int64_t> most_;
  std::int64_t begin_ns_ = 0;
  std::int64_t batches_ = 0;
  bool counts_ = false;
  FeedReport counted_;
  FeedReport all_;
};

class Bench {
 public:
  Bench(Model::Impl& model, std::shared_ptr<Source> source, const BenchOptions& options,
        const train::Caller& caller)
      : model_(model),
        source_(std::move(source)),
        layout_(source_->spec()),
        options_(options),
        caller_(caller) {}

  FeedBench run() {
    result_.batch_size = source_->spec().batch_size();
    result_.batch_bytes = static_cast<std::int64_t>(layout_.row_bytes) * result_.batch_size;
    result_.device = model_.options.device.name();
    // A source that fills the device's memory has nothing on the host to pull or to keep.
    if (source_->device_filler() == nullptr) pull();
    for (const BenchRow row : options_.rows) measure(row);
    return std::move(result_);
  }

 private:
  bool asks_for(BenchRow row) const {
    return std::ranges::find(options_.rows, row) != options_.rows.end();
  }

  void measure(BenchRow row) {
    const bool has_kept = !kept_->batches.empty();
    switch (row) {
      case BenchRow::pulling_alone:
        if (pulled_.batches > 0) result_.rows.push_back({row, pulled_, per_batch(pulled_), {}});
        break;
      case BenchRow::step_alone:
        if (has_kept) run_fit(row, train::repeat_on_device(kept_), 1);
        break;
      case BenchRow::one_worker:
        run_fit(row, source_, 1);
        break;
      case BenchRow::autotune:
        run_fit(row, source_, AUTOTUNE);
        break;
      case BenchRow::cached:
        if (has_kept) run_fit(row, train::replay(kept_), 1);
        break;
    }
  }

  static double per_batch(const FeedReport& report) {
    return report.wall / static_cast<double>(report.batches);
  }

  // ---- The source by itself ----
  void pull() {
    feed::FeedOptions options{.epochs = source_->endless() ? 1 : kMany,
                              .saves_state = false,
                              .seed = model_.options.seed,
                              .warn = [](const std::string&) {},
                              .should_stop = [this] { return caller_.interrupt.requested(); }};
    if (source_->endless()) options.steps_per_epoch = kMany;
    feed::Feed feed(source_, options, model_.state.device());
    // Copying what is kept takes time, which is not counted.
    const double warm_up = kWarmUp * options_.seconds;
    std::int64_t begin = now_ns();
    bool goes_on = true;
    for (std::int64_t n = 0; goes_on && (n == 0 || !is_over(begin, n, warm_up, kKept)); ++n) {
      goes_on = take(feed, true);
    }
    if (!asks_for(BenchRow::pulling_alone) || !goes_on) return;
    feed.take_report();
    begin = now_ns();
    for (std::int64_t n = 0;
         goes_on && (n == 0 || !is_over(begin, n, options_.seconds - warm_up, options_.batches));
         ++n) {
      goes_on = take(feed, false);
    }
    pulled_ = feed.take_report();
    pulled_.wall = seconds_since(begin);
  }

  bool is_over(std::int64_t begin_ns, std::int64_t batches, double seconds,
               std::optional<std::int64_t> most) const {
    return options_.batches ? batches >= most : seconds_since(begin_ns) >= seconds;
  }

  // Takes the next batch, across the ends of epochs, and returns whether there was one.
  bool take(feed::Feed& feed, bool keeps) {
    while (!caller_.interrupt.requested()) {
      if (const std::optional<feed::Batch> batch = feed.next()) {
        if (keeps) keep(*batch);
        feed.release(*batch);
        return true;
      }
      if (feed.ran_out() || source_->endless()) return false;
    }
    throw Interrupted("bench_feed: interrupted");
  }

  // At least one batch is kept, and none that is shorter than the first: it would be another step.
  void keep(const feed::Batch& batch) {
    std::vector<KeptBatches::One>& kept = kept_->batches;
    const auto most = static_cast<std::size_t>(options_.cache_bytes) / layout_.bytes;
    if (!kept.empty() &&
        (!asks_for(BenchRow::cached) || kept.size() >= most || batch.rows != kept[0].rows)) {
      return;
    }
    const BatchSpec& spec = kept_->spec = source_->spec();
    KeptBatches::One& one = kept.emplace_back();
    one.rows = batch.rows;
    for (std::size_t i = 0; i < spec.field_count(); ++i) {
      const Field& field = spec.field(i);
      const std::byte* begin = batch.block + layout_.offsets[i];
      const auto bytes = static_cast<std::size_t>(field.shape.elements()) * size_of(field.dtype);
      one.fields.emplace_back(begin, begin + bytes);
    }
  }

  // ---- Fits ----
  void run_fit(BenchRow row, const std::shared_ptr<Source>& source, int workers) {
    std::optional<std::int64_t> steps;
    if (source->endless()) steps = options_.batches ? options_.batches : steps_for(source, workers);
    FeedReport report = fit(source, workers, steps, options_.batches);
    if (report.batches == 0) return;
    const double seconds = report.seconds_per_batch();
    const bool is_tuned = workers == AUTOTUNE;
    const char* note = is_tuned && !source->pure() ? "the source is not pure: one worker" : "";
    result_.rows.push_back({row, std::move(report), seconds, note});
  }

  // Returns the steps of an epoch that takes about as long as the time that is not counted.
  std::int64_t steps_for(const std::shared_ptr<Source>& source, int workers) {
    const double seconds = fit(source, workers, kTries, kTries).seconds_per_batch();
    const double steps = kWarmUp * options_.seconds / std::max(seconds, 1e-7);
    return static_cast<std::int64_t>(std::clamp(steps, 1.0, 1e9));
  }

  FeedReport fit(const std::shared_ptr<Source>& source, int workers,
                 std::optional<std::int64_t> steps, std::optional<std::int64_t> batches) {
    Stopwatch watch(options_.seconds, batches);
    const FitOptions options{.steps_per_epoch = steps,
                             .epochs = kMany,
                             .verbose = 0,
                             .max_queue_size = workers == AUTOTUNE ? AUTOTUNE : 10,
                             .workers = workers,
                             .max_workers = options_.max_workers,
                             .callbacks = {watch}};
    model_.fit(source, options, caller_);
    return watch.report();
  }

  Model::Impl& model_;
  const std::shared_ptr<Source> source_;
  const feed::SlotLayout layout_;
  const BenchOptions& options_;
  const train::Caller& caller_;
  const std::shared_ptr<KeptBatches> kept_ = std::make_shared<KeptBatches>();
  FeedReport pulled_;
  FeedBench result_;
};

void check_options(const char* what, const BenchOptions& options) {
  check::require(what, "seconds", options.seconds, check::above(0));
  if (options.batches) check::require(what, "batches", *options.batches, check::at_least(1));
  check::require(what, "max_workers", options.max_workers, check::at_least(1));
  check::require(what, "cache_bytes", options.cache_bytes, check::at_least(0));
}

FeedBench run_bench(const char* what, Model& model, const SourceHandle& source,
                    const BenchOptions& options) {
  check_options(what, options);
  return train::interruptible(what, options.on_interrupt, [&](const InterruptScope& interrupt) {
    const train::InUse used(detail::ModelAccess::impl(model, what), what, train::Access::train);
    used->require_compiled(what);
    train::require_source(source.source(), what);
    const train::KeptState kept(*used);
    const train::Caller caller{model, interrupt, true};
    return Bench(*used, source.source(), options, caller).run();
  });
}

}  // namespace

FeedBench bench_feed(Model& model, SourceHandle source, BenchOptions options) {
  return run_bench("bench_feed", model, source, options);
}

Diagnosis diagnose(Model& model, SourceHandle source, BenchOptions options) {
  options.rows = BenchOptions{}.rows;
  return train::diagnosis_of(run_bench("diagnose", model, source, options));
}

}  // namespace stoker

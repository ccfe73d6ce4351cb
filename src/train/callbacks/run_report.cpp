// Report: gathers a training for its page and writes it.
#include "stoker/run_report.h"

#include <time.h>

#include <array>
#include <iostream>
#include <map>
#include <utility>

#include "core/atomic_file.h"
#include "core/check.h"
#include "core/timeline.h"
#include "report/page.h"
#include "stoker/error.h"
#include "train/callbacks/classify.h"
#include "train/callbacks/has_learning_rate.h"
#include "train/callbacks/page_parts.h"
#include "train/callbacks/silent_units.h"
#include "train/loop/loop.h"
#include "train/model_access.h"

namespace stoker {
namespace {

// The points of the curves by step; beyond them every second one is dropped.
constexpr std::size_t kMostPoints = 2000;
constexpr std::size_t kProgressCurves = 6;
// A page while the training goes on is written no sooner than this after the last one, and not
// before it would have taken more than one part in 200 of the time.
constexpr std::int64_t kBetweenPages = 5'000'000'000;
constexpr std::int64_t kPartOfTime = 200;

std::string local_time() {
  const time_t now = time(nullptr);
  tm parts{};
  localtime_r(&now, &parts);
  std::array<char, 64> text{};
  strftime(text.data(), text.size(), "%Y-%m-%d %H:%M %Z", &parts);
  return text.data();
}

}  // namespace

struct Report::Run {
  report::Page page;
  std::map<std::string, std::size_t> curves;  // The places of curves, by name.
  report::BatchLog batches;
  Timeline::Cursor cursor;
  std::vector<Stamp> stamps;  // Of a poll; it keeps its memory.
  FeedReport feed;
  std::map<std::string, double> silent;  // The share of silent units, by layer.
  std::int64_t steps_before = 0;         // Steps of the fit before this epoch.
  std::int64_t progress_every = 1;
  std::int64_t progress_seen = 0;
  std::int64_t written_ns = now_ns();
  std::int64_t writing_ns = 0;  // The time that the last writing took.
  bool has_warned = false;

  void poll(const train::Loop& loop) {
    if (!loop.is_open()) return;
    stamps.clear();
    loop.feed().timeline().read_since(cursor, stamps);
    batches.add(stamps);
  }

  void add_value(const Model& model, std::int64_t epoch, const std::string& name, double value) {
    const auto [at, is_new] = curves.try_emplace(name, page.curves.size());
    if (is_new) {
      page.curves.push_back(
          {.name = name, .larger_is_better = detail::larger_is_better(model, name)});
    }
    report::Curve& curve = page.curves[at->second];
    curve.epochs.push_back(epoch + 1);
    curve.values.push_back(value);
  }

  void add_progress(std::int64_t step, const Logs& logs) {
    report::Progress& progress = page.progress;
    if (progress.curves.empty()) {
      for (const auto& [name, value] : logs) {
        if (progress.curves.size() < kProgressCurves) progress.curves.emplace_back(name, 0);
      }
    }
    if (++progress_seen % progress_every != 0) return;
    if (!progress.steps.empty() && steps_before + step <= progress.steps.back()) return;
    progress.steps.push_back(steps_before + step);
    for (auto& [name, values] : progress.curves) {
      values.push_back(logs.contains(name) ? logs[name] : 0.0);
    }
    if (progress.steps.size() < kMostPoints) return;
    progress_every *= 2;
    const auto thin = [](auto& values) {
      for (std::size_t i = 0; 2 * i + 1 < values.size(); ++i) values[i] = values[2 * i + 1];
      values.resize(values.size() / 2);
    };
    thin(progress.steps);
    for (auto& [name, values] : progress.curves) thin(values);
  }

  // Training goes on where a page can't be written.
  void warn(const std::string& what) {
    if (!std::exchange(has_warned, true)) std::cerr << "Warning: Report: " << what << '\n';
  }

  void write(const std::string& path, Model& model, const CallbackParams& params,
             report::Page::Status status);
};

void Report::Run::write(const std::string& path, Model& model, const CallbackParams& params,
                        report::Page::Status status) {
  const std::int64_t begin = now_ns();
  try {
    const Model::Impl& impl = detail::ModelAccess::impl(model, "Report");
    const train::Loop& loop = *impl.loop;
    poll(loop);
    page.status = status;
    page.written = local_time();
    page.device = impl.options.device.name();
    page.model = train::page_model(impl);
    for (report::PageModel::Layer& layer : page.model->layers) {
      if (const auto found = silent.find(layer.name); found != silent.end()) {
        layer.silent = found->second;
      }
    }
    page.memory = train::page_memory(impl.memory_report());
    page.settings = train::page_compiled(impl);
    page.settings.insert(page.settings.begin(), train::page_fit(loop, params, feed));
    if (feed.batches > 0) {
      page.feed = feed;
      page.what_if = report::page_what_if(feed);
    }
    if (loop.is_open()) {
      page.timeline = report::PageTimeline{.tracks = train::page_tracks(loop),
                                           .first = batches.first(),
                                           .last = batches.last(),
                                           .slowest = batches.slowest(),
                                           .batches = batches.batches()};
    }
    write_file(path, report::html_of(page));
  } catch (const std::exception& error) {
    warn(error.what());
  }
  written_ns = now_ns();
  writing_ns = written_ns - begin;
}

Report::Report(std::string path, ReportOptions options)
    : path_(std::move(path)), options_(std::move(options)) {
  check::require("Report", "worst", options_.worst, check::at_least(0));
}
Report::Report(Report&&) noexcept = default;
Report& Report::operator=(Report&&) noexcept = default;
Report::~Report() = default;

void Report::on_train_begin() {
  run_ = std::make_unique<Run>();
  run_->page.title = options_.title.empty() ? model().name() : options_.title;
}

void Report::on_epoch_begin(std::int64_t) {
  const train::Loop& loop = *detail::ModelAccess::impl(model(), "Report").loop;
  run_->steps_before = loop.steps();
}

void Report::on_train_progress(std::int64_t step, LogsView logs) {
  run_->poll(*detail::ModelAccess::impl(model(), "Report").loop);
  run_->add_progress(step + 1, logs);
}

void Report::on_epoch_end(std::int64_t epoch, Logs& logs) {
  const train::Loop& loop = *detail::ModelAccess::impl(model(), "Report").loop;
  run_->page.epochs.push_back(epoch + 1);
  for (const auto& [name, value] : logs) run_->add_value(model(), epoch, name, value);
  if (!logs.contains("learning_rate") && train::has_learning_rate(model())) {
    run_->add_value(model(), epoch, "learning_rate", model().learning_rate());
  }
  run_->add_progress(loop.steps() - run_->steps_before, logs);
}

void Report::on_epoch_report(std::int64_t, const FeedReport& report) {
  Run& run = *run_;
  run.poll(*detail::ModelAccess::impl(model(), "Report").loop);
  run.feed += report;
  run.page.feed_by_epoch.push_back(report);
  const std::int64_t pause = std::max(kBetweenPages, kPartOfTime * run.writing_ns);
  if (now_ns() - run.written_ns < pause) return;
  run.write(path_, model(), params(), report::Page::Status::running);
}

void Report::on_train_end(const Logs&) {
  Run& run = *run_;
  if (options_.validation) {
    try {
      run.page.classification =
          train::classify(model(), options_.validation, options_.class_names, options_.worst);
      run.silent = train::silent_units(model(), options_.validation);
    } catch (const Interrupted&) {
      throw;
    } catch (const std::exception& error) {
      run.warn(std::string("validation: ") + error.what());
    }
  }
  const bool is_whole = !run.page.epochs.empty() && run.page.epochs.back() >= params().epochs;
  run.write(path_, model(), params(),
            is_whole ? report::Page::Status::done : report::Page::Status::stopped);
}

// Whether another callback takes the failure away is not known here. If so, on_train_end comes.
bool Report::on_train_failure(const Error& failure) {
  const bool is_stopped = dynamic_cast<const Interrupted*>(&failure) != nullptr;
  run_->page.status_text = failure.what();
  run_->write(path_, model(), params(),
              is_stopped ? report::Page::Status::stopped : report::Page::Status::failed);
  return false;
}

}  // namespace stoker

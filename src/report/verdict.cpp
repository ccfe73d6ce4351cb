// The verdict: what held a fit back, in words, from how its time divides.
#include <algorithm>
#include <string>

#include "core/format.h"
#include "report/source_stages.h"
#include "report/text.h"
#include "stoker/report.h"

namespace stoker {
namespace {

using report::byte_size;
using report::duration;
using report::number;
using report::percent;
using report::rate;
using report::ratio;

constexpr double kComputeBound = 0.05;
constexpr double kBound = 0.20;
// The verdict tells of time that is neither waiting nor step from this share of the wall time on.
constexpr double kWorthTelling = 0.05;

double waited(const FeedReport& report) {
  return report.waited_for_generator + report.waited_for_upload + report.waited_for_launch;
}

double device_time(const FeedReport& report) { return waited(report) + report.computed; }

std::string throughput(const FeedReport& report) {
  return rate(ratio(static_cast<double>(report.samples), report.wall)) + " samples/s";
}

// Returns "waited 76.5% of it for the generator and 2.0% for uploads".
std::string waits(const FeedReport& report) {
  const double total = device_time(report);
  const auto part = [&](double seconds) { return percent(ratio(seconds, total)); };
  std::string text = format("waited ", part(report.waited_for_generator),
                            report.by_hand ? " of it for its caller" : " of it for the generator");
  const bool upload = report.device_slots > 0 || report.waited_for_upload > 0.0;
  if (upload) {
    text += format(", ", part(report.waited_for_upload), " for uploads and ",
                   part(report.waited_for_launch), " to be launched");
  }
  return text;
}

std::string shares(const FeedReport& report) {
  const double total = device_time(report);
  std::string text =
      format("the step computed ", percent(ratio(report.computed, total)), " of the time and ",
             waits(report), " (", duration(waited(report)), " of ", duration(total), ").");
  if (report.other > kWorthTelling * report.wall) {
    text += format(" Validation, callbacks and display took another ", duration(report.other), ".");
  }
  if (report.callbacks > kWorthTelling * report.wall) {
    text +=
        format(" Hooks of callbacks took ", duration(report.callbacks),
               ", in which no step was launched; one that reads the logs of a step waits for it,"
               " which on_train_progress does not.");
  }
  return text;
}

// Returns "5.10 ms (1 in 10 above 6.20 ms)", or the mean alone if few are much above it.
std::string typical(const DurationHistogram& durations) {
  const double mean = durations.mean();
  const double late = durations.quantile(0.9);
  std::string text = duration(mean);
  if (late > 1.25 * mean) text += format(" (1 in 10 above ", duration(late), ")");
  return text;
}

// Says what kept AUTOTUNE from more workers.
std::string at_limit(const FeedReport& report) {
  if (!report.tuned_workers || report.workers < report.max_workers ||
      report.classify() == FeedReport::Class::compute_bound) {
    return "";
  }
  return report.limited_by_memory ? ", the most that its memory has slots for"
                                  : ", the most that max_workers allows";
}

// Returns "A batch takes 5.10 ms to generate on 1 worker, 0.40 ms to upload (2.10 GB/s) and 1.20 ms
// to compute."
std::string parts_of_a_batch(const FeedReport& report) {
  std::string text = "A batch takes ";
  if (report.generate.count() > 0) {
    text += format(typical(report.generate), " to generate on ", report.workers,
                   report.workers == 1 ? " worker" : " workers", ", ");
  }
  if (report.upload.count() > 0) {
    const double speed = ratio(static_cast<double>(report.bytes),
                               report.upload.mean() * static_cast<double>(report.batches));
    text += format(typical(report.upload), " to upload (", byte_size(speed), "/s), ");
  }
  text.replace(text.size() - 2, 2, text.size() > 20 ? " and " : "");
  text += format(typical(report.step), " to compute (", throughput(report), ").");
  if (report.tuned) {
    text += format(" AUTOTUNE chose ", report.workers, report.workers == 1 ? " worker" : " workers",
                   " and a queue of ", report.queue_size, at_limit(report), ".");
  }
  if (!report.is_optimized) {
    text +=
        " This program's generator was compiled without optimisation: with "
        "CMAKE_BUILD_TYPE=Release, or -O2, it takes a fraction of that.";
  }
  const std::string of_source = report::text_of(report.stages);
  if (!of_source.empty()) text += " " + of_source;
  if (report.nan_batches > 0) text += format(" ", report.nan_batches, " batches held a NaN.");
  if (report.failures > 0) {
    text += format(" ", report.failures, report.failures == 1 ? " error was" : " errors were",
                   " passed over (on_error); the first: ", report.first_failure, ".");
  }
  return text;
}

std::string line(const Advice& advice) {
  return format("- ", advice.change, ": ", duration(advice.seconds_per_batch), " → ",
                duration(advice.predicted), " a step, ", number(advice.speedup()),
                " times as fast; ", advice.reason, ".\n");
}

std::string what_to_change(const FeedReport& report) {
  using Class = FeedReport::Class;
  const bool is_fed = report.classify() == Class::compute_bound;
  const std::vector<Advice> advice = report.advice();
  if (advice.empty() && is_fed) {
    return format(
        "The batches come fast enough. Only a faster step shortens this: a larger batch_size, a "
        "smaller model, or a faster device. Without any waiting the run would be ",
        percent(ratio(waited(report), report.wall)), " shorter.\n");
  }
  if (advice.empty()) {
    return "The stages take about as long as each other: no single change makes a step more than "
           "5% faster.\n";
  }
  std::string text =
      is_fed ? "The batches come fast enough, but are made on the step's own cores.\n" : "";
  text += "What to change:\n";
  for (const Advice& one : advice) text += line(one);
  return text;
}

}  // namespace

FeedReport::Class FeedReport::classify() const {
  const double total = device_time(*this);
  if (batches == 0 || total <= 0.0) return Class::nothing;
  const double share = waited(*this) / total;
  if (share < kComputeBound) return Class::compute_bound;
  if (share <= kBound) return Class::balanced;
  const double most = std::max({waited_for_generator, waited_for_upload, waited_for_launch});
  if (most == waited_for_generator) return Class::generator_bound;
  return most == waited_for_upload ? Class::upload_bound : Class::launch_bound;
}

const char* FeedReport::name_of(Class bound) {
  switch (bound) {
    case Class::nothing:
      return "nothing to judge";
    case Class::compute_bound:
      return "compute-bound";
    case Class::generator_bound:
      return "generator-bound";
    case Class::upload_bound:
      return "upload-bound";
    case Class::launch_bound:
      return "launch-bound";
    case Class::balanced:
      return "balanced";
  }
  return "unknown";
}

double FeedReport::seconds_per_batch() const {
  return ratio(device_time(*this), static_cast<double>(batches));
}

const char* FeedReport::name_of(SourceKind source) {
  switch (source) {
    case SourceKind::custom:
      return "custom";
    case SourceKind::function:
      return "function";
    case SourceKind::coroutine:
      return "coroutine";
    case SourceKind::sequence:
      return "sequence";
    case SourceKind::dataset:
      return "dataset";
    case SourceKind::arrays:
      return "arrays";
    case SourceKind::device:
      return "device";
  }
  return "unknown";
}

double FeedReport::ideal_seconds_per_batch() const {
  return std::max({generate.mean() / std::max(workers, 1), upload.mean(), step.mean()});
}

double FeedReport::occupancy() const { return ratio(ring_filled, static_cast<double>(batches)); }

std::string FeedReport::verdict() const {
  const Class bound = classify();
  if (bound == Class::nothing) return "nothing to judge: no batch was trained on.\n";
  return format(name_of(bound), ": ", shares(*this), "\n", parts_of_a_batch(*this), "\n",
                what_to_change(*this));
}

std::string FeedReport::headline() const {
  const Class bound = classify();
  std::string text = name_of(bound);
  if (bound == Class::nothing) return text;
  text += format(": the step computed ", percent(ratio(computed, device_time(*this))),
                 " of the time and ", waits(*this));
  const std::vector<Advice> changes = advice();
  if (!changes.empty()) {
    text += format("; ", changes[0].change, " would make it ", number(changes[0].speedup()),
                   " times as fast");
    if (!changes[0].condition.empty()) text += format(" (needs ", changes[0].condition, ")");
  }
  return text;
}

FeedReport& FeedReport::operator+=(const FeedReport& later) {
  wall += later.wall;
  waited_for_generator += later.waited_for_generator;
  waited_for_upload += later.waited_for_upload;
  waited_for_launch += later.waited_for_launch;
  computed += later.computed;
  other += later.other;
  callbacks += later.callbacks;
  const double both = generated + later.generated;
  const auto of_both = [&](double first, double second) {
    return ratio(generated * first + later.generated * second, both);
  };
  generated_cpu_share = of_both(generated_cpu_share, later.generated_cpu_share);
  generated_core_share = of_both(generated_core_share, later.generated_core_share);
  generated = both;
  cpu += later.cpu;
  batches += later.batches;
  samples += later.samples;
  bytes += later.bytes;
  nan_batches += later.nan_batches;
  failures += later.failures;
  if (first_failure.empty()) first_failure = later.first_failure;
  stages = report::sum_of(std::move(stages), later.stages);
  generate += later.generate;
  convert += later.convert;
  wait_for_generator += later.wait_for_generator;
  upload += later.upload;
  launch += later.launch;
  step += later.step;
  step_in_a_row += later.step_in_a_row;
  workers = later.workers;
  max_workers = later.max_workers;
  queue_size = later.queue_size;
  device_slots = later.device_slots;
  cores = later.cores;
  step_cores = later.step_cores;
  ring_filled += later.ring_filled;
  drawn_one_by_one += later.drawn_one_by_one;
  float_share = later.float_share;
  source = later.source;
  is_pure = later.is_pure;
  tuned_workers = later.tuned_workers;
  is_optimized = later.is_optimized;
  limited_by_memory = later.limited_by_memory;
  tuned = later.tuned;
  by_hand = later.by_hand;
  return *this;
}

}  // namespace stoker

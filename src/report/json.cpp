// A report as JSON, and back.
#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <string_view>

#include "core/format.h"
#include "report/text.h"
#include "stoker/config.h"
#include "stoker/error.h"
#include "stoker/report.h"

namespace stoker {
namespace {

// JSON knows no NaN and no infinity.
Config finite(double value) { return std::isfinite(value) ? Config(value) : Config(); }

// ---- The members of a report that say all of it, in the order of the JSON ----
// `visit` is called with a name and a member. Enumerations and what follows from the others are
// not among them.
template <class Report, class Visit>
void visit_members(Report& report, Visit&& visit) {
  visit("wall", report.wall);
  visit("waited_for_generator", report.waited_for_generator);
  visit("waited_for_upload", report.waited_for_upload);
  visit("waited_for_launch", report.waited_for_launch);
  visit("computed", report.computed);
  visit("other", report.other);
  visit("callbacks", report.callbacks);
  visit("generated", report.generated);
  visit("generated_cpu_share", report.generated_cpu_share);
  visit("generated_core_share", report.generated_core_share);
  visit("cpu", report.cpu);
  visit("batches", report.batches);
  visit("samples", report.samples);
  visit("bytes", report.bytes);
  visit("nan_batches", report.nan_batches);
  visit("failures", report.failures);
  visit("first_failure", report.first_failure);
  visit("workers", report.workers);
  visit("max_workers", report.max_workers);
  visit("queue_size", report.queue_size);
  visit("device_slots", report.device_slots);
  visit("cores", report.cores);
  visit("step_cores", report.step_cores);
  visit("ring_filled", report.ring_filled);
  visit("float_share", report.float_share);
  visit("drawn_one_by_one", report.drawn_one_by_one);
  visit("is_pure", report.is_pure);
  visit("is_optimized", report.is_optimized);
  visit("tuned", report.tuned);
  visit("tuned_workers", report.tuned_workers);
  visit("limited_by_memory", report.limited_by_memory);
  visit("by_hand", report.by_hand);
}

template <class Report, class Visit>
void visit_stages(Report& report, Visit&& visit) {
  visit("generate", report.generate);
  visit("convert", report.convert);
  visit("wait_for_generator", report.wait_for_generator);
  visit("upload", report.upload);
  visit("launch", report.launch);
  visit("step", report.step);
  visit("step_in_a_row", report.step_in_a_row);
}

template <class Report, class Visit>
void visit_stage(Report& stage, Visit&& visit) {
  visit("name", stage.name);
  visit("elements", stage.elements);
  visit("bytes", stage.bytes);
  visit("busy", stage.busy);
  visit("waited_for_input", stage.waited_for_input);
  visit("waited_for_room", stage.waited_for_room);
  visit("workers", stage.workers);
  visit("is_tuned", stage.is_tuned);
  visit("asked", stage.asked);
  visit("ready", stage.ready);
}

constexpr std::array kSources = {SourceKind::custom,   SourceKind::function, SourceKind::coroutine,
                                 SourceKind::sequence, SourceKind::dataset,  SourceKind::arrays,
                                 SourceKind::device};

// ---- Writing ----
// Buckets are pairs of a bucket's number and its count, one behind the other.
Config stage(const DurationHistogram& durations) {
  Config buckets = Config(Config::List{});
  for (std::size_t i = 0; i < DurationHistogram::kBuckets; ++i) {
    if (durations.count(i) > 0) buckets.append(i).append(durations.count(i));
  }
  return Config::map({{"count", durations.count()},
                      {"total", durations.total()},
                      {"mean", durations.mean()},
                      {"p50", durations.quantile(0.5)},
                      {"p90", durations.quantile(0.9)},
                      {"p99", durations.quantile(0.99)},
                      {"max", durations.quantile(1.0)},
                      {"buckets", std::move(buckets)}});
}

Config changes(const FeedReport& report) {
  Config list = Config(Config::List{});
  for (const Advice& advice : report.advice()) {
    list.append(Config::map({{"change", advice.change},
                             {"condition", advice.condition},
                             {"reason", advice.reason},
                             {"seconds_per_batch", finite(advice.seconds_per_batch)},
                             {"predicted", finite(advice.predicted)},
                             {"speedup", finite(advice.speedup())}}));
  }
  return list;
}

template <class T>
void set_member(Config& json, const char* name, const T& value) {
  if constexpr (std::same_as<T, double>) {
    json.set(name, finite(value));
  } else {
    json.set(name, value);
  }
}

Config source_stages(const FeedReport& report) {
  Config list = Config(Config::List{});
  for (const StageReport& one : report.stages) {
    Config json = Config::map();
    visit_stage(one,
                [&json](const char* name, const auto& value) { set_member(json, name, value); });
    json.set("occupancy", finite(one.occupancy()));
    list.append(std::move(json));
  }
  return list;
}

// ---- Reading ----
void read(const Config& config, std::string& to) { to = config.string(); }
void read(const Config& config, bool& to) { to = config.boolean(); }
void read(const Config& config, double& to) {
  to = config.is_null() ? std::nan("") : config.number();
}
template <std::integral T>
void read(const Config& config, T& to) {
  const std::int64_t value = config.integer();
  if (!std::in_range<T>(value)) throw ValueError(format("the number ", value, " is out of range"));
  to = static_cast<T>(value);
}
void read(const Config& config, DurationHistogram& to) {
  const Config& buckets = config["buckets"];
  if (buckets.size() % 2 != 0) throw ValueError("expected pairs of a bucket and its count");
  for (std::size_t i = 0; i < buckets.size(); i += 2) {
    const std::int64_t bucket = buckets[i].integer();
    const std::int64_t count = buckets[i + 1].integer();
    if (bucket < 0 || bucket >= static_cast<std::int64_t>(DurationHistogram::kBuckets) ||
        count < 0 || count > (std::int64_t{1} << 48)) {
      throw ValueError(format("a bucket ", bucket, " with the count ", count, " is impossible"));
    }
    to.add_bucket(static_cast<std::size_t>(bucket), static_cast<std::uint64_t>(count));
  }
  const double total = config["total"].number();
  if (!(total >= 0.0 && total < 1e9)) throw ValueError(format("a total of ", total, " seconds"));
  to.add_total(std::llround(1e9 * total));
}

void read(const Config& config, SourceKind& to) {
  const std::string& name = config.string();
  for (const SourceKind kind : kSources) {
    if (name == FeedReport::name_of(kind)) {
      to = kind;
      return;
    }
  }
  throw ValueError(format("\"", name, "\" is no kind of source"));
}

// Reads a member of `config`. Errors name it.
template <class T>
void read_member(const Config& config, const char* name, T& to) {
  const Config& member = config.at(name);
  try {
    read(member, to);
  } catch (const ValueError& error) {
    throw ValueError(format("FeedReport, \"", name, "\": ", error.what()));
  }
}

}  // namespace

std::string FeedReport::to_json() const {
  Config json = Config::map({{"class", name_of(classify())}});
  visit_members(*this,
                [&json](const char* name, const auto& value) { set_member(json, name, value); });
  json.set("source", name_of(source));
  json.set("bytes_per_second", finite(report::ratio(static_cast<double>(bytes), wall)));
  json.set("seconds_per_batch", finite(seconds_per_batch()));
  json.set("ideal_seconds_per_batch", finite(ideal_seconds_per_batch()));
  json.set("occupancy", finite(occupancy()));
  Config of_batch = Config::map();
  visit_stages(*this, [&of_batch](const char* name, const DurationHistogram& durations) {
    of_batch.set(name, stage(durations));
  });
  json.set("stages", std::move(of_batch));
  json.set("source_stages", source_stages(*this));
  json.set("advice", changes(*this));
  return json.to_json();
}

FeedReport FeedReport::from_json(std::string_view json) {
  const Config config = Config::from_json(json);
  FeedReport report;
  visit_members(report, [&](const char* name, auto& member) { read_member(config, name, member); });
  read_member(config, "source", report.source);
  const Config& of_batch = config.at("stages");
  visit_stages(report,
               [&](const char* name, auto& member) { read_member(of_batch, name, member); });
  const Config& of_source = config.at("source_stages");
  for (std::size_t i = 0; i < of_source.size(); ++i) {
    visit_stage(report.stages.emplace_back(),
                [&](const char* name, auto& member) { read_member(of_source[i], name, member); });
  }
  return report;
}

}  // namespace stoker

// A report as JSON.
#include <cmath>
#include <string>

#include "report/text.h"
#include "stoker/report.h"

namespace stoker {
namespace {

using report::print;

// JSON knows no NaN and no infinity.
std::string literal(double value) { return std::isfinite(value) ? print("%.9g", value) : "null"; }

std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    if (static_cast<unsigned char>(c) < 0x20) {
      result += print("\\u%04x", static_cast<unsigned>(c));
    } else {
      result += c;
    }
  }
  return result + '"';
}

// An object that is written member by member.
class Object {
 public:
  void add(const char* name, double value) { member(name, literal(value)); }
  void add(const char* name, std::int64_t value) { member(name, std::to_string(value)); }
  void add(const char* name, int value) { member(name, std::to_string(value)); }
  void add(const char* name, bool value) { member(name, value ? "true" : "false"); }
  void add(const char* name, const std::string& value) { member(name, quoted(value)); }
  void member(const char* name, const std::string& value) {
    text_ += (text_.size() > 1 ? ", \"" : "\"") + std::string(name) + "\": " + value;
  }
  std::string text() const { return text_ + "}"; }

 private:
  std::string text_ = "{";
};

std::string stage(const DurationHistogram& durations) {
  Object object;
  object.add("count", static_cast<std::int64_t>(durations.count()));
  object.add("total", durations.total());
  object.add("mean", durations.mean());
  object.add("p50", durations.quantile(0.5));
  object.add("p90", durations.quantile(0.9));
  object.add("p99", durations.quantile(0.99));
  object.add("max", durations.quantile(1.0));
  return object.text();
}

std::string changes(const FeedReport& report) {
  std::string text = "[";
  for (const Advice& advice : report.advice()) {
    Object object;
    object.add("change", advice.change);
    object.add("condition", advice.condition);
    object.add("reason", advice.reason);
    object.add("seconds_per_batch", advice.seconds_per_batch);
    object.add("predicted", advice.predicted);
    object.add("speedup", advice.speedup());
    text += (text.size() > 1 ? ", " : "") + object.text();
  }
  return text + "]";
}

}  // namespace

std::string FeedReport::to_json() const {
  Object object;
  object.add("class", std::string(name_of(classify())));
  object.add("wall", wall);
  object.add("waited_for_generator", waited_for_generator);
  object.add("waited_for_upload", waited_for_upload);
  object.add("waited_for_launch", waited_for_launch);
  object.add("computed", computed);
  object.add("other", other);
  object.add("callbacks", callbacks);
  object.add("generated", generated);
  object.add("generated_cpu_share", generated_cpu_share);
  object.add("generated_core_share", generated_core_share);
  object.add("cpu", cpu);
  object.add("batches", batches);
  object.add("samples", samples);
  object.add("bytes", static_cast<std::int64_t>(bytes));
  object.add("bytes_per_second", report::ratio(static_cast<double>(bytes), wall));
  object.add("nan_batches", nan_batches);
  object.add("seconds_per_batch", seconds_per_batch());
  object.add("ideal_seconds_per_batch", ideal_seconds_per_batch());
  object.add("occupancy", occupancy());
  object.add("workers", workers);
  object.add("max_workers", max_workers);
  object.add("queue_size", queue_size);
  object.add("device_slots", device_slots);
  object.add("cores", cores);
  object.add("step_cores", step_cores);
  object.add("source", std::string(name_of(source)));
  object.add("float_share", float_share);
  object.add("drawn_one_by_one", static_cast<std::int64_t>(drawn_one_by_one));
  object.add("is_pure", is_pure);
  object.add("is_optimized", is_optimized);
  object.add("tuned", tuned);
  Object stages;
  stages.member("generate", stage(generate));
  stages.member("convert", stage(convert));
  stages.member("wait_for_generator", stage(wait_for_generator));
  stages.member("upload", stage(upload));
  stages.member("step", stage(step));
  stages.member("step_in_a_row", stage(step_in_a_row));
  object.member("stages", stages.text());
  object.member("advice", changes(*this));
  return object.text();
}

}  // namespace stoker

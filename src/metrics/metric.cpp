// Metrics by name and from their configurations. As in Keras's compile(), a result is reported
// under the name by which the metric was asked for.
#include "metrics/metric.h"

#include <array>
#include <string_view>
#include <vector>

#include "metrics/accuracy.h"
#include "stoker/error.h"

namespace stoker {
namespace {

struct MetricClass {
  std::string_view name;  // the class's
  std::string_view text;  // the string that stands for the metric
  std::string_view short_text;
  Metric (*make)(Fields& fields);
};

constexpr std::array kClasses{
#define STOKER_METRIC(class_name, name, short_name) \
  MetricClass{#class_name, name, short_name, metrics::make_##class_name},
#include "metrics/metrics.def"
#undef STOKER_METRIC
};

Metric find(const std::string& name) {
  for (const std::string_view chosen : {"accuracy", "acc", "Accuracy", "Acc"}) {
    if (name == chosen) return Metric(metrics::make_chosen_accuracy(name));
  }
  std::vector<std::string_view> known;
  for (const MetricClass& one : kClasses) {
    if (stands_for(name, one.name, one.text, one.short_text)) {
      const Config named = Config::map({{"name", name}});
      Fields fields = Fields::reading(named, name);
      return one.make(fields);
    }
    known.push_back(one.text);
  }
  throw ValueError(format("Metric: there is none named \"", name, "\"; known are ", joined(known),
                          did_you_mean(name, known)));
}

}  // namespace

void metrics::describe_common(Fields& fields, std::string& name) {
  fields("name", name);
  fields.ignored({"dtype"});  // totals are float32
}

Metric::Metric(const char* name) : Metric(find(name)) {}
Metric::Metric(const std::string& name) : Metric(find(name)) {}
const std::string& Metric::name() const { return base_->name(); }

Config Metric::config() const {
  if (base_->class_name().empty()) return name();
  Fields fields = Fields::writing();
  base_->write_fields(fields);
  return object_config("keras.metrics", base_->class_name(), fields.config());
}

Metric metric_from_config(const Config& config) {
  if (config.is_string()) return config.string();
  return Fields::with_place("metric_from_config", [&] {
    const ObjectView object = object_of(config);
    const MetricClass& found = class_named("metric", object.class_name, kClasses);
    Fields fields = Fields::reading(object.config, object.class_name);
    return found.make(fields);
  });
}

}  // namespace stoker

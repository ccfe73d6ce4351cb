// Metrics by name and from their configurations. As in Keras's compile(), a result is reported
// under the name by which the metric was asked for.
#include "metrics/metric.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include "core/check.h"
#include "core/registered.h"
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

Registered<Metric>& functions() {
  static Registered<Metric> registered("register_metric");
  return registered;
}

Metric find(const std::string& name) {
  if (const std::optional<Metric> own = functions().find(name)) return *own;
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

void metrics::make_known(const Metric& metric) {
  const std::string& name = metric.name();
  const auto takes = [&](const MetricClass& one) {
    return stands_for(name, one.name, one.text, one.short_text);
  };
  if (std::ranges::any_of(kClasses, takes) || name == "accuracy" || name == "acc") {
    throw ValueError(
        format("register_metric: \"", name, "\" is the name of one of Stoker's metrics"));
  }
  functions().add(name, metric);
}

void metrics::describe_common(Fields& fields, std::string& name) {
  fields("name", name);
  fields.ignored({"dtype"});  // totals are float32
}

Metric::Metric(const char* name) : Metric(find(check::text("Metric", name))) {}
Metric::Metric(const std::string& name) : Metric(find(name)) {}
const std::string& Metric::name() const {
  if (!base_) throw ValueError("Metric: expected a metric, received one that was moved from");
  return base_->name();
}

Config Metric::config() const {
  if (base_->class_name().empty()) return name();
  if (base_->is_function()) return function_config(name());
  Fields fields = Fields::writing();
  base_->write_fields(fields);
  return object_config("keras.metrics", base_->class_name(), fields.config());
}

Metric metric_from_config(const Config& config) {
  if (config.is_string()) return config.string();
  return Fields::with_place("metric_from_config", [&] {
    if (const std::string* own = function_of(config)) return functions().at("metric", *own);
    const ObjectView object = object_of(config);
    const MetricClass& found = class_named("metric", object.class_name, kClasses);
    Fields fields = Fields::reading(object.config, object.class_name);
    return found.make(fields);
  });
}

// ---- Metrics by output -------------------------------------------------------------------------
namespace {

std::vector<Metric> several_metrics(const Config& config) {
  if (config.is_null()) return {};
  if (!config.is_list()) return {metric_from_config(config)};
  std::vector<Metric> metrics;
  for (const Config& item : config.list_items()) metrics.push_back(metric_from_config(item));
  return metrics;
}

Config list_of(const std::vector<Metric>& metrics) {
  Config list = Config::list();
  for (const Metric& metric : metrics) list.append(metric.config());
  return list;
}

}  // namespace

OutputMetrics FieldType<OutputMetrics>::read(const Config& config) {
  if (config.is_null()) return {};
  if (config.is_map() && config.find("class_name") == nullptr) {
    std::vector<OutputMetrics::Entry> named;
    for (const auto& member : config.members()) {
      const auto read = [&] { return several_metrics(member.second); };
      named.emplace_back(member.first, Fields::with_place(member.first, read));
    }
    return named;
  }
  if (!config.is_list()) return metric_from_config(config);
  std::vector<std::vector<Metric>> by_output;
  for (const Config& item : config.list_items()) by_output.push_back(several_metrics(item));
  return by_output;
}

Config FieldType<OutputMetrics>::write(const OutputMetrics& value) {
  Config list = Config::list();
  Config named = Config::map();
  for (const OutputMetrics::Entry& entry : value.entries()) {
    const std::vector<Metric>& metrics = entry.list.metrics();
    if (!entry.name.empty()) {
      named.set(entry.name, list_of(metrics));
    } else {
      list.append(metrics.size() == 1 ? metrics[0].config() : list_of(metrics));
    }
  }
  return named.size() > 0 ? named : list;
}

}  // namespace stoker

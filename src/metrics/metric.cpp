// Metrics by name. As in Keras's compile(), the result goes by the name that was asked for.
#include "metrics/metric.h"

#include <array>
#include <string_view>

#include "core/format.h"
#include "metrics/accuracy.h"
#include "stoker/error.h"

namespace stoker {
namespace {

struct Named {
  std::array<std::string_view, 4> names;  // the first is Keras's full one
  Metric (*make)(const std::string& name);
};

constexpr std::array kMetrics{
    Named{{"accuracy", "acc", "Accuracy", "Acc"},
          [](const std::string& name) { return Metric(metrics::make_chosen_accuracy(name)); }},
    Named{{"binary_accuracy", "BinaryAccuracy"},
          [](const std::string& name) { return Metric(metrics::make_binary_accuracy(name)); }},
    Named{{"categorical_accuracy", "CategoricalAccuracy"},
          [](const std::string& name) { return CategoricalAccuracy({name}); }},
    Named{{"sparse_categorical_accuracy", "SparseCategoricalAccuracy"},
          [](const std::string& name) { return SparseCategoricalAccuracy({name}); }},
    Named{{"mean_squared_error", "mse", "MSE", "MeanSquaredError"},
          [](const std::string& name) { return metrics::MeanSquaredError({name}); }},
    Named{{"mean_absolute_error", "mae", "MAE", "MeanAbsoluteError"},
          [](const std::string& name) { return metrics::MeanAbsoluteError({name}); }},
};

Metric find(const std::string& name) {
  std::string known;
  for (const Named& entry : kMetrics) {
    for (const std::string_view alias : entry.names) {
      if (!alias.empty() && name == alias) return entry.make(name);
    }
    known += format(known.empty() ? "" : ", ", entry.names[0]);
  }
  throw ValueError(format("Metric: there is none named \"", name, "\"; known are ", known));
}

}  // namespace

Metric::Metric(const char* name) : Metric(find(name)) {}
Metric::Metric(const std::string& name) : Metric(find(name)) {}
const std::string& Metric::name() const { return base_->name(); }

}  // namespace stoker

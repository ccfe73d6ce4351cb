// "accuracy", which is a metric only once there are labels and predictions to choose one by.
#pragma once

#include <memory>
#include <string>

#include "metrics/metric.h"

namespace stoker::metrics {

// Keras's "accuracy": binary, categorical or sparse by the shapes it is resolved for; under a name
// of the caller's.
std::shared_ptr<const MetricBase> make_chosen_accuracy(std::string name);

}  // namespace stoker::metrics

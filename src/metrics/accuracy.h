// The metric "accuracy", which chooses one of the accuracies once the shapes of labels and
// predictions are known.
#pragma once

#include <memory>
#include <string>

#include "metrics/metric.h"

namespace stoker::metrics {

// Makes Keras's "accuracy", which is binary, categorical or sparse by the shapes that it is
// resolved for, under the caller's name.
std::shared_ptr<const MetricBase> make_chosen_accuracy(std::string name);

}  // namespace stoker::metrics

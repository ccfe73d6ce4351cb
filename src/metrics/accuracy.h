// The accuracies under a name of the caller's: "accuracy" chooses one and keeps its own name.
#pragma once

#include <memory>
#include <string>

#include "metrics/metric.h"

namespace stoker::metrics {

using MetricPtr = std::shared_ptr<const MetricBase>;

MetricPtr make_accuracy(std::string name);
MetricPtr make_binary_accuracy(std::string name, double threshold = 0.5);
MetricPtr make_categorical_accuracy(std::string name);
MetricPtr make_sparse_categorical_accuracy(std::string name);
// Keras's "accuracy": binary, categorical or sparse by the shapes it is resolved for.
MetricPtr make_chosen_accuracy(std::string name);

}  // namespace stoker::metrics

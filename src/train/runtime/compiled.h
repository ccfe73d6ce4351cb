// The arguments of compile(), sorted by the model's outputs, and the totals that are kept for them.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "metrics/metric.h"
#include "stoker/model.h"
#include "stoker/source.h"
#include "train/network/network.h"

namespace stoker::train {

// A tracked number: a loss or a metric.
struct Tracked {
  std::string name;
  std::size_t first_total;
  std::size_t totals;
  // Null for a loss, which is a weighted mean.
  std::shared_ptr<const metrics::MetricBase> metric{};
  std::optional<std::size_t> output{};  // Empty for the whole loss.
  bool is_weighted = false;             // Whether the metric uses sample weights.
  std::size_t which = 0;                // The number of the result, for a metric with several.
  // The layer that reports the number, under a name of its own there; null for all others.
  const layers::LayerBase* layer = nullptr;
  std::string name_in_layer{};
};

// The loss and the metrics with which one output of the model is compiled.
struct CompiledOutput {
  std::string name;
  Loss loss{};  // This may be empty.
  double loss_weight = 1.0;
  std::vector<Metric> metrics{};
  std::vector<Metric> weighted_metrics{};

  bool needs_target() const { return loss || !metrics.empty() || !weighted_metrics.empty(); }
};

// The result of compile(). Tracked names and totals depend on the shapes of batches, so they come
// with the first plan.
struct Compiled {
  CompileOptions options;
  std::vector<CompiledOutput> outputs;
  // The layers that were not trained when compile() was called.
  std::set<const layers::LayerBase*> frozen;
  std::vector<Tracked> tracked{};
  std::size_t total_count = 0;    // The number of totals. As many corrections follow them.
  std::vector<double> totals{};   // Memory in which Model::Impl::logs_of() sums them up.
  bool metrics_resolved = false;  // Set when the tracked totals have a place on the device.

  bool layers_add_loss = false;  // Whether layers add to the loss by themselves.

  // The Inputs that declare the targets of a step of the program's own; null where compile() made
  // the step.
  std::shared_ptr<const std::vector<std::shared_ptr<const layers::InputLayer>>> own_targets{};

  bool has_loss() const;
};

// Throws ValueError for lists of another length than the outputs, and, with the nearest name, for
// names that no output has.
Compiled compiled_of(CompileOptions options, const Network& network);

// The target and the sample weight of a batch that belong to an output.
struct OutputFields {
  std::optional<std::size_t> target{};
  std::optional<std::size_t> sample_weight{};
};
// Returns one entry for each output. Batches have a target for each output or, in the same order,
// for each output that needs one. Throws ShapeError for other numbers of targets.
std::vector<OutputFields> fields_of_outputs(const Compiled& compiled, const BatchSpec& spec);

// Replaces "accuracy" by the metric that it means for these labels, and lays out the totals.
void resolve_metrics(Compiled& compiled, const Network& network, const BatchSpec& spec);

// Returns tensors that were given in order or by name, in the order of `names`, with null where
// there is none. `what` is for messages. Throws ValueError for another number of tensors than of
// names, and for a name that is unknown or given twice.
std::vector<const Tensor*> in_order(const Tensors& tensors, const std::vector<std::string>& names,
                                    const char* what);

}  // namespace stoker::train

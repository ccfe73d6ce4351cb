// What compile() was told, sorted by the model's outputs, and the totals that are kept of it.
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
#include "train/network.h"

namespace stoker::train {

// A tracked number: a loss or a metric.
struct Tracked {
  std::string name;
  std::size_t first_total;
  std::size_t totals;
  std::shared_ptr<const metrics::MetricBase> metric{};  // null: a loss, which is a weighted mean
  std::optional<std::size_t> output{};                  // empty: the whole loss
  bool is_weighted = false;                             // whether the metric uses sample weights
};

// What one output of the model is compiled with.
struct CompiledOutput {
  std::string name;
  Loss loss{};  // may be none
  double loss_weight = 1.0;
  std::vector<Metric> metrics{};
  std::vector<Metric> weighted_metrics{};

  bool needs_target() const { return loss || !metrics.empty() || !weighted_metrics.empty(); }
};

// Tracked names and totals follow from the shapes of batches: they come with the first plan.
struct Compiled {
  CompileOptions options;
  std::vector<CompiledOutput> outputs;
  // The layers that are not trained, as they were when compile() was called.
  std::set<const layers::LayerBase*> frozen;
  std::vector<Tracked> tracked{};
  std::size_t total_count = 0;    // as many corrections lie behind them
  bool metrics_resolved = false;  // and their totals have a place on the device

  bool has_loss() const;
};

// Throws ValueError for lists of another length than the outputs and for names that no output has,
// with the nearest.
Compiled compiled_of(CompileOptions options, const Network& network);

// Which of a batch's targets, and which of its sample weights, belongs to an output.
struct OutputFields {
  std::optional<std::size_t> target{};
  std::optional<std::size_t> sample_weight{};
};
// By output. Batches have a target for each output or, in the same order, for each that needs one.
// Throws ShapeError for other numbers of them.
std::vector<OutputFields> fields_of_outputs(const Compiled& compiled, const BatchSpec& spec);

// "accuracy" becomes what it means for these labels; lays out the totals.
void resolve_metrics(Compiled& compiled, const Network& network, const BatchSpec& spec);

// What was given in order or by name, in the order of `names`; null where there is none. `what` is
// for messages. Throws ValueError for other numbers than that of the names, and for a name that is
// none or stands twice.
std::vector<const Tensor*> in_order(const Tensors& tensors, const std::vector<std::string>& names,
                                    const char* what);

}  // namespace stoker::train

// The graph of one step: forward, and for training also the loss, backward, metrics and update.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "stoker/model.h"
#include "stoker/source.h"
#include "train/network.h"

namespace stoker::train {

enum class Mode : std::uint8_t { train, evaluate, predict };

// A tracked number: the loss, or a metric.
struct Tracked {
  std::string name;
  std::size_t first_total;
  std::size_t totals;
  std::shared_ptr<const metrics::MetricBase> metric;  // null: the loss, a weighted mean
};

// What compile() settled, with metrics resolved for the shapes at hand.
struct Compiled {
  CompileOptions options;
  std::vector<Tracked> tracked;
  std::size_t total_count = 0;    // as many corrections lie behind them
  bool metrics_resolved = false;  // and their totals have a place on the device
};

struct StepGraph {
  std::unique_ptr<graph::Graph> graph;
  std::vector<graph::ValueId> keep;  // the output, when predicting
};

// `spec` says what lies in the slot, `offsets` where; `rows` is the number of rows of this plan.
// Throws ShapeError and DTypeError when the batch does not fit the model or the loss.
StepGraph build_step(const Network& network, const Compiled* compiled, Mode mode,
                     const BatchSpec& spec, const std::vector<std::size_t>& offsets,
                     std::int64_t rows);

// "accuracy" becomes what it means for these labels; lays out the totals.
void resolve_metrics(Compiled& compiled, const Network& network, const BatchSpec& spec);

}  // namespace stoker::train

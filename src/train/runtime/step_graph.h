// The graph of one step: forward, and for training also loss, backward, metrics and update.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "stoker/source.h"
#include "train/network/network.h"
#include "train/runtime/compiled.h"
#include "train/runtime/step_context.h"

namespace stoker::train {

struct StepGraph {
  std::unique_ptr<graph::Graph> graph;
  std::vector<graph::ValueId> keep;  // The outputs, for predictions only.
};

// `spec` says which fields the slot holds, and `offsets` says where. `rows` is the number of rows
// of this plan. Throws ShapeError and DTypeError when the batch does not fit the model or the loss.
StepGraph build_step(const Network& network, const Compiled* compiled, Mode mode,
                     const BatchSpec& spec, const std::vector<std::size_t>& offsets,
                     std::int64_t rows);

}  // namespace stoker::train

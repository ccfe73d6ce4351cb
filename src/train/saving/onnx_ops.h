// What stands for the ops of a graph in ONNX.
#pragma once

#include <string>
#include <vector>

#include "graph/graph.h"
#include "io/onnx.h"

namespace stoker::train {

// Appends nodes for one node of a graph. `inputs` are the names of its inputs in `onnx`, of which
// all floating ones are float32 there. Returns the names of its outputs, without those that are of
// no use to predictions. Throws ValueError, with the node's origin, for an op that has no form in
// ONNX.
std::vector<std::string> append_onnx(io::OnnxGraph& onnx, const graph::Graph& graph,
                                     const graph::Node& node,
                                     const std::vector<std::string>& inputs);

}  // namespace stoker::train

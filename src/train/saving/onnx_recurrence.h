// A recurrent network in ONNX.
#pragma once

#include <string>
#include <vector>

#include "graph/graph.h"
#include "io/onnx.h"

namespace stoker::train {

// Appends nodes for a node of op recurrence, step by step: ONNX's own LSTM, GRU and RNN know no
// masks with holes, and multiply their inputs themselves. Returns the names of the outputs that
// predictions use, in the op's order.
std::vector<std::string> append_onnx_recurrence(io::OnnxGraph& onnx, const graph::Graph& graph,
                                                const graph::Node& node,
                                                const std::vector<std::string>& inputs);

}  // namespace stoker::train

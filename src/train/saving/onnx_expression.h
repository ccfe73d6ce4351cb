// Pointwise arithmetic in ONNX: a node for each instruction of an expression.
#pragma once

#include <string>
#include <vector>

#include "graph/expression.h"
#include "io/onnx.h"

namespace stoker::train {

// Returns the name of the expression's first output, float32, which may be that of an input.
// `inputs` are names of float32 values. Throws ValueError for random numbers.
std::string append_onnx(io::OnnxGraph& onnx, const graph::Expression& expression,
                        const std::vector<std::string>& inputs);
// Returns `value` as another type.
std::string onnx_cast(io::OnnxGraph& onnx, const std::string& value, io::OnnxType type);

}  // namespace stoker::train

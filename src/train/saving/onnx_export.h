// Writes what a model does for predictions as an ONNX model. The graph that layers build is
// translated op by op, so that a layer made of ops that are known here needs nothing of its own.
#pragma once

#include <filesystem>
#include <string>

#include "train/model_impl.h"
#include "train/saving/variables.h"

namespace stoker::train {

// Throws ValueError for an op that has no form in ONNX, and IoError.
void export_onnx(const std::filesystem::path& path, const std::string& name,
                 const Model::Impl& model, const VariableAccess& access);

}  // namespace stoker::train

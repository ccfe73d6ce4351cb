// The weights of a model in a safetensors file: a tensor for each, named by Keras's path. The
// optimizer's state is not in it, since others read such files as weights.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "io/safetensors.h"
#include "stoker/model.h"
#include "train/saving/variables.h"

namespace stoker::train {

// The file appears whole or not at all.
void write_safetensors(const std::filesystem::path& path,
                       const std::vector<SavedVariable>& variables, const VariableAccess& access);

// A tensor of the file that a variable is read from.
struct TensorRead {
  const SavedVariable* variable;
  const io::SafetensorsEntry* entry;
};

struct SafetensorsPlan {
  std::vector<TensorRead> reads{};
  std::vector<std::string> warnings{};  // what is left out, and why
};

// Finds the weights among `variables` in a file. Throws ShapeError and IoError, which name the
// tensor, for those that are missing, surplus or do not fit. With by_name the file may have more
// weights and fewer.
SafetensorsPlan plan_safetensors(const io::SafetensorsReader& file,
                                 const std::vector<SavedVariable>& variables,
                                 const LoadWeightsOptions& options);
// Reads what was planned into the model, which stays as it was where this throws, as far as
// kMostStagedBytes says.
void load_safetensors(const SafetensorsPlan& plan, io::SafetensorsReader& file,
                      const VariableAccess& access);

}  // namespace stoker::train

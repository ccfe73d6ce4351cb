// Weights and optimizer of a model in Keras's HDF5 files: what is read where, decided and checked
// against the model before any of it is read, and then read one variable at a time.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "io/hdf5.h"
#include "io/hdf5_writer.h"
#include "stoker/model.h"
#include "train/saving/keras_layout.h"
#include "train/saving/variables.h"

namespace stoker::train {

struct PlannedRead {
  std::size_t variable;  // the index in the list of variables
  io::Hdf5Dataset dataset;
};

struct LoadPlan {
  std::vector<PlannedRead> reads{};
  std::vector<std::string> warnings{};  // what is left out, and why
};

// Finds all variables in a .weights.h5 file. Throws ShapeError and IoError, which name the place in
// the file, for those that are missing, surplus or do not fit.
LoadPlan plan_weights_h5(const io::Hdf5File& file, const KerasModel& model,
                         const std::vector<SavedVariable>& variables,
                         const LoadWeightsOptions& options);
// Does the same for an older file of Keras's: a whole model, or weights alone.
LoadPlan plan_older_h5(const io::Hdf5File& file, const KerasModel& model,
                       const std::vector<SavedVariable>& variables,
                       const LoadWeightsOptions& options);

// Reads what was planned into the model, which stays as it was where this throws, as far as
// kMostStagedBytes says. With `keeps_nothing` the model may be left half loaded, as one that is
// thrown away then.
void load_planned(const LoadPlan& plan, const io::Hdf5File& file,
                  const std::vector<SavedVariable>& variables, const VariableAccess& access,
                  bool keeps_nothing);

// About how many groups and datasets such a file has.
std::size_t hdf5_objects(const KerasModel& model, const std::vector<SavedVariable>& variables);
// Describes a .weights.h5 file. The writer fetches the values by `access` while it writes.
void describe_weights_h5(io::Hdf5Writer& writer, const KerasModel& model,
                         const std::vector<SavedVariable>& variables, const VariableAccess& access);

}  // namespace stoker::train

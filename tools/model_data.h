// How the arrays of files become a model's inputs and targets.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <stoker/model.h>
#include <stoker/several.h>
#include <stoker/tensor.h>

namespace stoker::tool {

struct InputInfo {
  std::string name;
  Shape shape;              // with an unknown batch
  bool is_integer = false;  // Whether the model wants int32, as an Embedding does.
};

// The inputs in their order.
std::vector<InputInfo> inputs_of(const Model& model);
// The names of the layers that give the outputs, in their order; numbered where one gives several.
std::vector<std::string> output_names(const Model& model);

// Reads a .npy with one tensor, or an .npz with several. Those of an .npz are in order where they
// are named x0, x1, ... (`letter`), y0, y1, ... or arr_0, arr_1, ..., and otherwise go by their
// names. float64 becomes float32 and int64 int32. Throws IoError and DTypeError.
Several<Tensor> read_tensors(const std::string& path);
// The same for inputs of this model: numbers become whole ones where the model wants these, as
// Keras casts them. Throws DataError for a number that int32 does not have.
Several<Tensor> read_inputs(const std::string& path, const Model& model);

// Writes the tensors to a .npy, or by these names to an .npz. Throws ValueError for a path that
// ends in neither, and for a .npy of several tensors.
void write_outputs(const std::string& path, std::vector<Tensor> tensors,
                   const std::vector<std::string>& names);
// Throws that ValueError before there are tensors.
void require_output_path(const std::string& path, std::size_t tensors);

}  // namespace stoker::tool

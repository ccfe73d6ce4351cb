// States of callbacks in a checkpoint: values in the description, and tensors among its tensors.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "io/safetensors.h"
#include "stoker/config.h"
#include "train/callbacks/callback_list.h"

namespace stoker::train {

// The name of the k-th tensor of the i-th state.
std::string name_of_callback_tensor(std::size_t i, std::size_t k);

// A list with an entry for each state.
Config describe_callbacks(const std::vector<NamedState>& states);

// Reads what the other function described. Throws ValueError for another list, and IoError.
std::vector<NamedState> read_callbacks(const Config& described, io::SafetensorsReader& file);

}  // namespace stoker::train

// A few small valid files of each kind for the fuzzers to begin with, in a folder for each reader.
#pragma once

#include <filesystem>

namespace stoker::fuzz {

void write_seeds(const std::filesystem::path& folder);
// Those of the readers that make or change a model.
void write_model_seeds(const std::filesystem::path& folder);

}  // namespace stoker::fuzz

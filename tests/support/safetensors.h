// Reads all tensors of a safetensors file, by the library's reader.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "stoker/tensor.h"

namespace stoker::test {

struct Safetensors {
  std::map<std::string, Tensor> tensors;
  std::map<std::string, std::string> metadata;
};

// Throws IoError for a file that is malformed, and ValueError for a type that no Tensor has.
Safetensors read_safetensors(const std::filesystem::path& path);

}  // namespace stoker::test

// Reads safetensors files (https://huggingface.co/docs/safetensors): a length of 8 bytes, a JSON
// header of so many bytes, then the tensors' elements.
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

// float32 and int32. Throws std::runtime_error, naming the file, for anything else.
Safetensors read_safetensors(const std::filesystem::path& path);

}  // namespace stoker::test

#include "support/safetensors.h"

#include <span>

#include "io/safetensors.h"

namespace stoker::test {

Safetensors read_safetensors(const std::filesystem::path& path) {
  io::SafetensorsReader file(path);
  Safetensors result{.tensors = {}, .metadata = file.header().metadata};
  for (const io::SafetensorsEntry& entry : file.header().entries) {
    Tensor tensor(entry.shape, io::dtype_of_safetensors(entry.dtype));
    file.read(entry, {static_cast<std::byte*>(tensor.raw()), tensor.bytes()});
    result.tensors[entry.name] = std::move(tensor);
  }
  return result;
}

}  // namespace stoker::test

#include "support/safetensors.h"

#include <bit>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string_view>

#include "stoker/config.h"

namespace stoker::test {
namespace {

static_assert(std::endian::native == std::endian::little, "the file's numbers are little-endian");

DType dtype_from(const std::string& name) {
  if (name == "F32") return DType::float32;
  if (name == "I32") return DType::int32;
  throw std::runtime_error("no element type " + name);
}

Tensor tensor_from(const Config& entry, std::string_view data) {
  Shape shape;
  for (const Config& extent : entry["shape"].list_items()) shape.push_back(extent.integer());
  Tensor tensor(shape, dtype_from(entry["dtype"].string()));
  const auto& range = entry["data_offsets"].list_items();
  const auto begin = static_cast<std::size_t>(range.at(0).integer());
  const auto end = static_cast<std::size_t>(range.at(1).integer());
  if (begin > end || end > data.size() || end - begin != tensor.bytes()) {
    throw std::runtime_error("a tensor lies outside of the file");
  }
  std::memcpy(tensor.raw(), data.data() + begin, tensor.bytes());
  return tensor;
}

Safetensors parse(std::string_view bytes) {
  std::uint64_t header_bytes = 0;
  if (bytes.size() < sizeof header_bytes) throw std::runtime_error("too short");
  std::memcpy(&header_bytes, bytes.data(), sizeof header_bytes);
  bytes.remove_prefix(sizeof header_bytes);
  if (header_bytes > bytes.size()) throw std::runtime_error("the header is cut off");
  const Config header = Config::from_json(bytes.substr(0, header_bytes));
  bytes.remove_prefix(header_bytes);

  Safetensors file;
  for (const auto& [name, entry] : header.members()) {
    if (name == "__metadata__") {
      for (const auto& [key, text] : entry.members()) file.metadata[key] = text.string();
    } else {
      file.tensors[name] = tensor_from(entry, bytes);
    }
  }
  return file;
}

}  // namespace

Safetensors read_safetensors(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  try {
    if (!file) throw std::runtime_error("it can't be read");
    return parse(bytes);
  } catch (const std::exception& error) {
    throw std::runtime_error(path.string() + ": " + error.what());
  }
}

}  // namespace stoker::test

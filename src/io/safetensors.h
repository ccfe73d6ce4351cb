// The safetensors format: tensors by name, after a header of JSON. Source: the description in
// github.com/huggingface/safetensors, format of version 0.4.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/atomic_file.h"
#include "core/input_file.h"
#include "stoker/dtype.h"
#include "stoker/shape.h"

namespace stoker::io {

struct SafetensorsEntry {
  std::string name;
  std::string dtype;  // The file's word: "F32", "BF16", "F64", ...
  Shape shape;
  // The tensor's bytes, counted from the end of the header.
  std::uint64_t begin = 0;
  std::uint64_t end = 0;

  std::uint64_t bytes() const { return end - begin; }
};

// The word for one of our element types, and the type for a word. The latter throws ValueError for
// a type that no Tensor has.
const char* safetensors_dtype(DType dtype);
DType dtype_of_safetensors(const std::string& word);

// What a header says: text by key, and the tensors in the order of their bytes.
struct SafetensorsHeader {
  std::map<std::string, std::string> metadata{};
  std::vector<SafetensorsEntry> entries{};

  // Returns null where there is no such tensor.
  const SafetensorsEntry* find(const std::string& name) const;
};

// Parses the JSON of a header whose tensors have `data_bytes` bytes together. Throws ValueError for
// what is no such JSON, for names that stand twice, for a tensor whose shape and type need other
// than its bytes, and where the tensors' bytes overlap or leave gaps. Takes memory in proportion to
// the text only.
SafetensorsHeader parse_safetensors_header(std::string_view json, std::uint64_t data_bytes);

// Returns a header's JSON. Its entries get their places one behind the other, in their order.
// Throws ValueError for two of one name.
std::string write_safetensors_header(SafetensorsHeader& header);

class SafetensorsReader {
 public:
  // Reads the header. Throws IoError, which names the file, for one that can't be read or is
  // malformed. Headers of more than 100 MB are refused, as in the reference implementation.
  explicit SafetensorsReader(const std::filesystem::path& path);

  const SafetensorsHeader& header() const { return header_; }
  // The header's JSON as it stands in the file.
  const std::string& header_text() const { return text_; }
  std::string path() const { return file_.path(); }
  // Fills `bytes` with those of a tensor from `offset` on. Throws IoError where the file has become
  // shorter.
  void read(const SafetensorsEntry& entry, std::span<std::byte> bytes, std::uint64_t offset = 0);

 private:
  InputFile file_;
  std::string text_;
  SafetensorsHeader header_;
};

class SafetensorsWriter {
 public:
  // Writes the header, of whose entries only name, dtype and shape are read. Their bytes then
  // follow by write(), in their order and in pieces of any size. Throws IoError.
  SafetensorsWriter(const std::filesystem::path& path, SafetensorsHeader header);
  // The same with the text that write_safetensors_header() has given.
  SafetensorsWriter(const std::filesystem::path& path, std::string_view header_text);
  void write(std::span<const std::byte> bytes) { file_.write(bytes); }
  // The file takes its name once this returns.
  void commit() { file_.commit(); }

 private:
  AtomicFile file_;
};

}  // namespace stoker::io

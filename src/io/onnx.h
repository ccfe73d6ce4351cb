// Writes ONNX models. Source: onnx.proto of ONNX 1.12, whose field numbers stand in the source
// file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "core/atomic_file.h"
#include "io/protobuf.h"
#include "stoker/dtype.h"
#include "stoker/shape.h"

namespace stoker::io {

// ONNX's numbers for element types.
enum class OnnxType : std::int32_t {
  float32 = 1,
  uint8 = 2,
  int32 = 6,
  int64 = 7,
  boolean = 9,
  float16 = 10,
  bfloat16 = 16
};
OnnxType onnx_type(DType dtype);

// An attribute of a node.
class OnnxAttribute {
 public:
  OnnxAttribute(std::string name, std::int64_t value);
  OnnxAttribute(std::string name, std::vector<std::int64_t> values);
  const ProtoWriter& message() const { return message_; }

 private:
  ProtoWriter message_;
};

// A graph that is put together node by node. Values are known by their names.
class OnnxGraph {
 public:
  using Write = std::function<void(std::span<const std::byte>)>;

  explicit OnnxGraph(std::string name) : name_(std::move(name)) {}

  // Unknown extents are called "batch".
  void input(const std::string& name, OnnxType type, const Shape& shape);
  void output(const std::string& name, OnnxType type, const Shape& shape);
  // Adds a node and returns the name of its first output: `name`, or where it is empty a new one.
  // Nobody uses the `others` that it also has.
  std::string node(const std::string& op, const std::vector<std::string>& inputs,
                   const std::vector<OnnxAttribute>& attributes = {}, std::string name = {},
                   int others = 0);
  // Adds a constant, once for each value, and returns its name.
  std::string constant(float value);
  std::string constant(const std::vector<std::int64_t>& values);
  std::string constant(const Shape& shape, std::span<const float> values);
  // Adds a float32 tensor, whose bytes `content` hands over when the file is written.
  void tensor(const std::string& name, const Shape& shape,
              std::function<void(const Write&)> content);

  // Writes the model whole or not at all. Throws ValueError for one of 2 GiB or more, which no
  // protocol buffer may have, and IoError.
  void write(const std::filesystem::path& path) const;

 private:
  struct Initializer {
    ProtoWriter head;         // all fields but the last, with the beginning of that
    std::uint64_t bytes = 0;  // of the last field
    std::function<void(const Write&)> content;
  };
  std::string constant_of(OnnxType type, std::span<const std::int64_t> dims,
                          std::span<const std::byte> bytes);

  std::string name_;
  ProtoWriter nodes_;
  ProtoWriter ends_;  // inputs and outputs
  ProtoWriter constants_;
  std::map<std::string, std::string> constant_names_;  // by type and bytes
  std::vector<Initializer> initializers_;
  int values_ = 0;
};

}  // namespace stoker::io

#include "io/onnx.h"

#include <utility>

#include "core/format.h"
#include "stoker/error.h"

namespace stoker::io {

namespace {

// ---- Field numbers of onnx.proto ----
// Repeated numbers are written one by one, since a file of protocol buffers 2 packs none.
namespace model {
constexpr std::uint32_t kIrVersion = 1, kProducer = 2, kGraph = 7, kOpset = 8;
}
namespace opset {
constexpr std::uint32_t kVersion = 2;
}
namespace graph {
constexpr std::uint32_t kNode = 1, kName = 2, kInitializer = 5, kInput = 11, kOutput = 12;
}
namespace node {
constexpr std::uint32_t kInput = 1, kOutput = 2, kName = 3, kOp = 4, kAttribute = 5;
}
namespace attribute {
constexpr std::uint32_t kName = 1, kInteger = 3, kIntegers = 8, kType = 20;
constexpr std::int64_t kIntegerType = 2, kIntegersType = 7;
}  // namespace attribute
namespace tensor {
constexpr std::uint32_t kDims = 1, kType = 2, kName = 8, kRaw = 9;
}
namespace value {
constexpr std::uint32_t kName = 1, kType = 2;
}
namespace type {
constexpr std::uint32_t kTensor = 1, kElement = 1, kShape = 2;
}
namespace shape {
constexpr std::uint32_t kDim = 1, kValue = 1, kParameter = 2;
}

constexpr std::int64_t kIrVersion = 8;  // that of ONNX 1.12
constexpr std::int64_t kOpsetVersion = 17;
constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 31;

ProtoWriter value_of(const std::string& name, OnnxType element, const Shape& extents) {
  ProtoWriter dims;
  for (const std::int64_t extent : extents) {
    ProtoWriter dim;
    if (extent == Shape::kUnknown) {
      dim.text(shape::kParameter, "batch");
    } else {
      dim.integer(shape::kValue, extent);
    }
    dims.message(shape::kDim, dim);
  }
  ProtoWriter tensor_type;
  tensor_type.integer(type::kElement, static_cast<std::int64_t>(element));
  tensor_type.message(type::kShape, dims);
  return ProtoWriter()
      .text(value::kName, name)
      .message(value::kType, ProtoWriter().message(type::kTensor, tensor_type));
}

ProtoWriter head_of_tensor(const std::string& name, OnnxType type,
                           std::span<const std::int64_t> dims, std::uint64_t bytes) {
  ProtoWriter head;
  for (const std::int64_t dim : dims) head.integer(tensor::kDims, dim);
  head.integer(tensor::kType, static_cast<std::int64_t>(type));
  head.text(tensor::kName, name).begin_bytes(tensor::kRaw, bytes);
  return head;
}

std::span<const std::byte> bytes_of(const ProtoWriter& writer) {
  return std::as_bytes(std::span(writer.bytes()));
}

}  // namespace

OnnxType onnx_type(DType dtype) {
  switch (dtype) {
    case DType::float32:
      return OnnxType::float32;
    case DType::int32:
      return OnnxType::int32;
    case DType::uint8:
      return OnnxType::uint8;
    case DType::bfloat16:
      return OnnxType::bfloat16;
    case DType::float16:
      return OnnxType::float16;
  }
  return OnnxType::float32;
}

OnnxAttribute::OnnxAttribute(std::string name, std::int64_t number) {
  message_.text(attribute::kName, name).integer(attribute::kInteger, number);
  message_.integer(attribute::kType, attribute::kIntegerType);
}

OnnxAttribute::OnnxAttribute(std::string name, std::vector<std::int64_t> values) {
  message_.text(attribute::kName, name);
  for (const std::int64_t number : values) message_.integer(attribute::kIntegers, number);
  message_.integer(attribute::kType, attribute::kIntegersType);
}

void OnnxGraph::input(const std::string& name, OnnxType type, const Shape& shape) {
  ends_.message(graph::kInput, value_of(name, type, shape));
}

void OnnxGraph::output(const std::string& name, OnnxType type, const Shape& shape) {
  ends_.message(graph::kOutput, value_of(name, type, shape));
}

std::string OnnxGraph::node(const std::string& op, const std::vector<std::string>& inputs,
                            const std::vector<OnnxAttribute>& attributes, std::string name,
                            int others) {
  if (name.empty()) name = format("value_", values_++);
  ProtoWriter message;
  for (const std::string& one : inputs) message.text(node::kInput, one);
  message.text(node::kOutput, name);
  for (int i = 0; i < others; ++i) message.text(node::kOutput, format("value_", values_++));
  message.text(node::kName, format(op, ' ', name));
  message.text(node::kOp, op);
  for (const OnnxAttribute& one : attributes) message.message(node::kAttribute, one.message());
  nodes_.message(graph::kNode, message);
  return name;
}

std::string OnnxGraph::constant_of(OnnxType type, std::span<const std::int64_t> dims,
                                   std::span<const std::byte> bytes) {
  std::string key = format(static_cast<int>(type), ' ', dims.size(), ' ');
  for (const std::int64_t extent : dims) key += format(extent, ' ');
  key.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  std::string& name = constant_names_[key];
  if (!name.empty()) return name;
  name = format("constant_", constant_names_.size() - 1);
  ProtoWriter message = head_of_tensor(name, type, dims, bytes.size());
  ProtoWriter all;
  all.begin_bytes(graph::kInitializer, message.bytes().size() + bytes.size());
  constants_.append(all).append(message);
  constants_.raw(bytes);
  return name;
}

std::string OnnxGraph::constant(float value) {
  return constant_of(OnnxType::float32, {}, std::as_bytes(std::span(&value, 1)));
}

std::string OnnxGraph::constant(const std::vector<std::int64_t>& values) {
  const std::int64_t size = static_cast<std::int64_t>(values.size());
  return constant_of(OnnxType::int64, std::span(&size, 1), std::as_bytes(std::span(values)));
}

std::string OnnxGraph::constant(const Shape& shape, std::span<const float> values) {
  return constant_of(OnnxType::float32, shape.extents(), std::as_bytes(values));
}

void OnnxGraph::tensor(const std::string& name, const Shape& shape,
                       std::function<void(const Write&)> content) {
  const auto bytes = static_cast<std::uint64_t>(shape.elements()) * sizeof(float);
  initializers_.push_back(
      {head_of_tensor(name, OnnxType::float32, shape.extents(), bytes), bytes, std::move(content)});
}

// Tensors are the graph's last fields, so that they pass from the model to the file in pieces.
void OnnxGraph::write(const std::filesystem::path& path) const {
  ProtoWriter own;
  own.append(nodes_).text(graph::kName, name_).append(ends_).append(constants_);
  std::uint64_t graph_bytes = own.bytes().size();
  std::vector<ProtoWriter> heads;
  for (const Initializer& one : initializers_) {
    const std::uint64_t size = one.head.bytes().size() + one.bytes;
    ProtoWriter& head = heads.emplace_back();
    head.begin_bytes(graph::kInitializer, size).append(one.head);
    graph_bytes += head.bytes().size() + one.bytes;
  }
  ProtoWriter begin;
  begin.integer(model::kIrVersion, kIrVersion).text(model::kProducer, "Stoker");
  begin.message(model::kOpset, ProtoWriter().integer(opset::kVersion, kOpsetVersion));
  begin.begin_bytes(model::kGraph, graph_bytes);
  if (begin.bytes().size() + graph_bytes >= kMostBytes) {
    throw ValueError(format("expected a model of less than 2 GiB, which ONNX's files can have, ",
                            "received one of ", graph_bytes, " bytes"));
  }
  AtomicFile file(path);
  file.write(bytes_of(begin));
  file.write(bytes_of(own));
  for (std::size_t i = 0; i < initializers_.size(); ++i) {
    file.write(bytes_of(heads[i]));
    initializers_[i].content([&](std::span<const std::byte> piece) { file.write(piece); });
  }
  file.commit();
}

}  // namespace stoker::io

// Input: where a batch enters the model.
#include "core/format.h"
#include "layers/layer.h"
#include "stoker/error.h"

namespace stoker {
namespace layers {

InputLayer::InputLayer(Shape shape, DType dtype, std::string name)
    : LayerBase("InputLayer", std::move(name)), shape(shape), dtype(dtype) {
  for (const std::int64_t extent : shape) {
    if (extent < 1) {
      throw ValueError(format(label(),
                              ": expected extents of 1 or more, without the batch, "
                              "received ",
                              shape));
    }
  }
}

}  // namespace layers

namespace {

DType parse_dtype(const std::string& name) {
  for (const DType dtype : {DType::float32, DType::int32, DType::uint8}) {
    if (name == name_of(dtype)) return dtype;
  }
  throw DTypeError(
      format("Input: expected dtype float32, int32 or uint8, received \"", name, "\""));
}

}  // namespace

Value Input(Shape shape, InputOptions options) {
  auto node = std::make_shared<layers::ValueNode>();
  node->dtype = parse_dtype(options.dtype);
  node->layer = std::make_shared<layers::InputLayer>(shape, node->dtype, std::move(options.name));
  node->shape = shape.with_batch(Shape::kUnknown);
  return Value(std::move(node));
}

}  // namespace stoker

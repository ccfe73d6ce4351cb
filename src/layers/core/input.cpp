// Input: where a batch enters the model.
#include "core/format.h"
#include "layers/fields.h"
#include "layers/registry.h"
#include "stoker/error.h"

namespace stoker {
namespace layers {

InputLayer::InputLayer(Shape shape, DType dtype, std::string name, std::int64_t batch)
    : LayerBase("InputLayer", std::move(name)), shape(shape), dtype(dtype), batch(batch) {
  if (batch != Shape::kUnknown) require_positive(*this, "a batch_size", batch);
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

// An Input has no field trainable, because it has no weights.
namespace {

struct InputArguments {
  Shape batch_shape{};
  InputOptions options{};
};

void describe(Fields& fields, InputArguments& input) {
  layers::LayerName name{input.options.name};
  fields.required("batch_shape", input.batch_shape);
  fields("dtype", input.options.dtype);
  fields("name", name);
  fields.never({"sparse", "ragged", "optional"});
  input.options.name = std::move(name.text);
}

DType parse_dtype(const std::string& name) {
  for (const DType dtype : {DType::float32, DType::int32, DType::uint8}) {
    if (name == name_of(dtype)) return dtype;
  }
  throw DTypeError(
      format("Input: expected dtype float32, int32 or uint8, received \"", name, "\""));
}

}  // namespace

std::shared_ptr<const layers::ValueNode> layers::node_of_input(
    const std::shared_ptr<LayerBase>& input) {
  const auto& layer = static_cast<const InputLayer&>(*input);
  auto call = std::make_shared<CallNode>();
  call->layer = input;
  call->outputs = {{{layer.dtype, layer.shape.with_batch(layer.batch)}}};
  return std::make_shared<ValueNode>(ValueNode{std::move(call), 0});
}

Value Input(Shape shape, InputOptions options) {
  return Value(layers::node_of_input(std::make_shared<layers::InputLayer>(
      shape, parse_dtype(options.dtype), std::move(options.name),
      options.batch_size.value_or(Shape::kUnknown))));
}

void layers::InputLayer::write_fields(Fields& fields) const {
  InputArguments input{shape.with_batch(batch), {std::string(name_of(dtype)), name(), {}}};
  describe(fields, input);
}

Layer layers::make_InputLayer(Fields& fields) {
  auto input = fields.all<InputArguments>();
  if (input.batch_shape.rank() == 0) {
    throw ValueError(format(fields.place(), ".batch_shape: expected one whose first extent is ",
                            "the batch, received ", input.batch_shape));
  }
  const std::int64_t batch = input.batch_shape[0];
  if (batch != Shape::kUnknown) input.options.batch_size = batch;
  return Layer(Input(input.batch_shape.without_batch(), std::move(input.options)));
}

}  // namespace stoker

// one_hot and argmax convert between class numbers and rows of class values.
#include "ops/common.h"

namespace stoker::ops {

RecordedError describe_label(const Graph& graph, const Node& node, std::int64_t label,
                             std::int64_t row) {
  const std::int64_t classes = graph.info(node.outputs.back()).type.shape.back();
  return {format("label ", label, " of row ", row, " is outside [0, ", classes, ")"),
          "Labels are class numbers from 0"};
}

const Op one_hot_op =
    define_without_gradient("one_hot", OpIndex::one_hot, "class numbers are not differentiable",
                            {.takes_any_dtype = false,
                             .writes_scalars = true,
                             .multiply_adds = nullptr,
                             .describe_error = describe_label});
const Op argmax_op = define_without_gradient(
    "argmax", OpIndex::argmax, "class numbers are not differentiable",
    {.takes_any_dtype = false, .writes_scalars = false, .multiply_adds = nullptr});

std::string OneHotAttributes::text() const { return format("classes ", classes); }

Value one_hot(Value labels, std::int64_t classes) {
  if (labels.dtype() != DType::int32) {
    throw DTypeError(
        format(where(*labels.graph), "expected labels of int32, received ", labels.dtype()));
  }
  OneHotAttributes attributes;
  attributes.classes = classes;
  Shape shape = labels.shape();
  shape.push_back(classes);
  return labels.graph->append(one_hot_op, {labels}, share(attributes),
                              {{DType::float32, shape}})[0];
}

Value argmax(Value x) {
  require(x.shape().rank() >= 1, *x.graph, "argmax: expected at least one axis, received ",
          x.shape());
  Shape shape;
  for (std::size_t i = 0; i + 1 < x.shape().rank(); ++i) shape.push_back(x.shape()[i]);
  return x.graph->append(argmax_op, {x}, nullptr, {{DType::int32, shape}})[0];
}

}  // namespace stoker::ops

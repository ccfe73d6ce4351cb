// user_kernel: code of the program's own, with a gradient of the program's own.
#include "ops/common.h"

namespace stoker::ops {
namespace {

std::vector<Value> gradient(Graph& graph, NodeId id, std::span<const Value> dy) {
  const Node node = graph.node(id);
  const UserKernel& kernel = *attributes_of<UserKernelAttributes>(node).kernel;
  const std::string place = format(where(graph), "kernel \"", kernel.name, "\": ");
  if (!kernel.gradient) {
    throw Error(format(place,
                       "has no gradient, and something before it is trained; give it one "
                       "(KernelDefinition::gradient), or call stop_gradient() on its result"));
  }
  std::vector<Value> inputs, outputs, gradients;
  for (const ValueId input : node.inputs) inputs.push_back(graph.value(input));
  for (std::size_t i = 0; i < node.outputs.size(); ++i) {
    outputs.push_back(graph.value(node.outputs[i]));
    gradients.push_back(dy[i] ? dy[i] : fill(graph, outputs.back().shape(), 0.0f));
  }
  std::vector<Value> result = kernel.gradient(inputs, outputs, gradients);
  if (result.size() != inputs.size()) {
    throw ShapeError(format(place, "expected its gradient to give ", inputs.size(),
                            " values, one for each input, received ", result.size()));
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (!result[i] || result[i].shape() == inputs[i].shape()) continue;
    throw ShapeError(format(place, "expected a gradient of shape ", inputs[i].shape(),
                            " for input ", i, ", received ", result[i].shape()));
  }
  return result;
}

}  // namespace

const Op user_kernel_op =
    define("user_kernel", OpIndex::user_kernel, gradient,
           {.takes_any_dtype = false, .writes_scalars = false, .multiply_adds = nullptr});

std::string UserKernelAttributes::text() const { return format(kernel->name, " of ", items); }

std::vector<Value> user_kernel(std::shared_ptr<const UserKernel> kernel, std::vector<Value> inputs,
                               const std::vector<Shape>& outputs, std::int64_t items) {
  Graph& graph = *inputs[0].graph;
  for (const Value& input : inputs) {
    if (input.dtype() == DType::float32) continue;
    throw DTypeError(format(where(graph), "kernel \"", kernel->name,
                            "\": expected inputs of float32, received ", input.dtype()));
  }
  UserKernelAttributes attributes;
  attributes.kernel = std::move(kernel);
  attributes.items = items;
  std::vector<ValueType> types;
  for (const Shape& shape : outputs) types.push_back({DType::float32, shape});
  return graph.append(user_kernel_op, std::move(inputs), share(attributes), std::move(types));
}

}  // namespace stoker::ops

// Kernels of the user's own, as functions of values.
#include "stoker/kernel.h"

#include <algorithm>
#include <cctype>

#include "core/fields.h"
#include "layers/value.h"
#include "ops/common.h"
#include "stoker/error.h"

namespace stoker::functions {
namespace {

bool is_identifier(const std::string& name) {
  const auto fits = [](unsigned char c) { return std::isalnum(c) != 0 || c == '_'; };
  return !name.empty() && std::isdigit(static_cast<unsigned char>(name[0])) == 0 &&
         std::ranges::all_of(name, fits);
}

std::vector<stoker::Value> values_of(std::span<const graph::Value> tensors) {
  std::vector<stoker::Value> values;
  for (const graph::Value& tensor : tensors) values.push_back(layers::value_of(tensor));
  return values;
}

std::shared_ptr<const ops::UserKernel> inside_of(const KernelDefinition& definition) {
  auto kernel = std::make_shared<ops::UserKernel>();
  kernel->name = definition.name;
  kernel->cuda = definition.cuda;
  kernel->cpu = [cpu = definition.cpu](std::span<const std::span<const float>> inputs,
                                       std::span<const std::span<float>> outputs,
                                       std::int64_t begin, std::int64_t end) {
    cpu({inputs, outputs}, begin, end);
  };
  if (!definition.gradient) return kernel;
  kernel->gradient = [gradient = definition.gradient, name = definition.name](
                         std::span<const graph::Value> inputs,
                         std::span<const graph::Value> outputs,
                         std::span<const graph::Value> output_gradients) {
    const layers::BuildScope scope(*inputs[0].graph, nullptr);
    std::vector<graph::Value> gradients;
    for (const stoker::Value& made :
         gradient(values_of(inputs), values_of(outputs), values_of(output_gradients))) {
      gradients.push_back(made ? ops::to_float(layers::tensor_of(made)) : graph::Value{});
    }
    return gradients;
  };
  return kernel;
}

}  // namespace

std::vector<stoker::Value> kernel(const KernelDefinition& definition,
                                  const std::vector<stoker::Value>& inputs,
                                  const std::vector<Shape>& outputs, std::int64_t items) {
  if (!is_identifier(definition.name)) {
    throw ValueError(
        format("ops::kernel: expected a name that is an identifier of C++, received \"",
               definition.name, "\""));
  }
  const std::string place = format("ops::kernel \"", definition.name, "\"");
  if (!definition.cpu) throw ValueError(place + ": expected a function for the CPU, received none");
  if (inputs.empty()) throw ValueError(place + ": expected an input, received none");
  if (outputs.empty()) throw ValueError(place + ": expected the shape of an output, received none");
  std::vector<graph::Value> tensors;
  for (const stoker::Value& input : inputs) {
    tensors.push_back(
        ops::to_float(Fields::with_place(place, [&] { return layers::tensor_of(input); })));
  }
  if (items < 0 && tensors[0].shape().is_known()) {
    throw ValueError(format(place, ": expected items of 0 or more, received ", items));
  }
  const std::int64_t count = items != 0 ? items : outputs[0].elements();
  return values_of(ops::user_kernel(inside_of(definition), tensors, outputs, count));
}

}  // namespace stoker::functions

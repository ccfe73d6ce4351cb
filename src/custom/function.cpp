#include "custom/function.h"

#include <algorithm>
#include <array>
#include <memory>
#include <numeric>

#include "core/fields.h"
#include "layers/fields.h"
#include "layers/registry.h"
#include "ops/common.h"
#include "stoker/error.h"

namespace stoker {
namespace functions {
namespace {

constexpr std::array kFunctions{
#define STOKER_FUNCTION(name, keras_class) Function{#name, #keras_class, build_##name},
#include "custom/functions.def"
#undef STOKER_FUNCTION
};

std::vector<Tensor> build(const Function& function, std::span<const Tensor> inputs,
                          const Config& arguments) {
  return function.rule({*inputs[0].graph, inputs, arguments});
}

}  // namespace

std::span<const Function> all_functions() { return kFunctions; }

const Function& function_named(std::string_view name) {
  const auto found = std::ranges::find(kFunctions, name, &Function::name);
  if (found != kFunctions.end()) return *found;
  std::vector<std::string_view> known;
  for (const Function& function : kFunctions) known.push_back(function.name);
  throw ValueError(
      format("there is no function \"", name, "\" in stoker/ops.h", did_you_mean(name, known)));
}

double FunctionCall::number(const char* key, double otherwise) const {
  const Config* given = arguments.find(key);
  return given != nullptr ? given->number() : otherwise;
}
std::int64_t FunctionCall::integer(const char* key, std::int64_t otherwise) const {
  const Config* given = arguments.find(key);
  return given != nullptr ? given->integer() : otherwise;
}
bool FunctionCall::flag(const char* key) const {
  const Config* given = arguments.find(key);
  return given != nullptr && given->boolean();
}
std::vector<std::int64_t> FunctionCall::integers(const char* key) const {
  std::vector<std::int64_t> numbers;
  if (const Config* given = arguments.find(key)) {
    for (const Config& number : given->list_items()) numbers.push_back(number.integer());
  }
  return numbers;
}

std::vector<std::int64_t> FunctionCall::axes() const {
  std::vector<std::int64_t> axes = integers("axis");
  if (axes.empty()) {
    axes.resize(x().shape().rank());
    std::iota(axes.begin(), axes.end(), 0);
    return axes;
  }
  for (std::int64_t& axis : axes) axis = ops::axis_from_front(axis, x().shape(), graph);
  std::ranges::sort(axes);
  ops::require(std::ranges::adjacent_find(axes) == axes.end(), graph,
               "expected each axis once, received ", arguments.at("axis").to_json());
  return axes;
}

std::int64_t FunctionCall::axis(Tensor of, std::int64_t otherwise) const {
  return ops::axis_from_front(integer("axis", otherwise), of.shape(), graph);
}

// ---- Functions as layers -----------------------------------------------------------------------
namespace {

struct FunctionArguments {
  std::string function;
  Config arguments = Config::map();
  NameOptions options{};
};

void describe(Fields& fields, FunctionArguments& function) {
  layers::describe_common(fields, function.options);
  fields.required("function", function.function);
  fields("arguments", function.arguments);
}

// As in Keras, a function computes in the type of its values whatever the policy is, and its result
// has no mask.
class FunctionLayer final : public layers::DescribedLayer<FunctionArguments, layers::LayerBase> {
 public:
  explicit FunctionLayer(FunctionArguments arguments)
      : DescribedLayer("Function", std::move(arguments)),
        function_(function_named(arguments_.function)) {
    casts_inputs = false;
    takes_list = true;
  }

  std::vector<layers::MaskedValue> build(layers::BuildContext& context,
                                         std::span<const layers::MaskedValue> inputs) override {
    if (inputs.empty()) throw ValueError(format(label(), ": expected a value, received none"));
    const layers::BuildScope scope(context.graph(), &context);
    std::vector<Tensor> tensors;
    for (const layers::MaskedValue& input : inputs) tensors.push_back(input.value);
    std::vector<layers::MaskedValue> outputs;
    for (const Tensor& output : functions::build(function_, tensors, arguments_.arguments)) {
      outputs.push_back({output});
    }
    return outputs;
  }

 private:
  const Function& function_;
};

}  // namespace

std::vector<stoker::Value> apply_all(std::string_view name,
                                     const std::vector<stoker::Value>& inputs, Config arguments) {
  return Fields::with_place(format("ops::", name), [&] {
    const Function& function = function_named(name);
    if (inputs.empty()) throw ValueError("expected a value, received none");
    if (std::ranges::any_of(inputs, layers::ValueAccess::is_tensor)) {
      std::vector<Tensor> tensors;
      for (const stoker::Value& input : inputs) tensors.push_back(layers::tensor_of(input));
      std::vector<stoker::Value> outputs;
      for (const Tensor& output : build(function, tensors, arguments)) {
        outputs.push_back(layers::value_of(output));
      }
      return outputs;
    }
    const Layer layer(std::make_shared<FunctionLayer>(
        FunctionArguments{std::string(name), std::move(arguments)}));
    return layer.call(inputs);
  });
}

std::vector<stoker::Value> apply_all(std::string_view name,
                                     std::initializer_list<stoker::Value> inputs,
                                     Config arguments) {
  return apply_all(name, std::vector<stoker::Value>(inputs), std::move(arguments));
}

Tensor reshaped(Tensor x, const Shape& shape) {
  if (x.shape() == shape || (x.shape().is_known() && shape.is_known())) {
    return ops::reshape(x, shape);
  }
  return x.graph->append(ops::op(ops::OpIndex::reshape), {x}, nullptr, {{x.dtype(), shape}})[0];
}

Config list_of(std::span<const std::int64_t> numbers) {
  Config list = Config::list();
  for (const std::int64_t number : numbers) list.append(number);
  return list;
}

Config over_axes(const Axes& axis, bool keepdims) {
  return Config::map({{"axis", list_of(axis.numbers())}, {"keepdims", keepdims}});
}

}  // namespace functions

Layer layers::make_Function(Fields& fields) {
  return Layer(
      std::make_shared<functions::FunctionLayer>(fields.all<functions::FunctionArguments>()));
}

}  // namespace stoker

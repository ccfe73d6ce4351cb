// Lambda: a function of the user's as a layer.
#include <algorithm>
#include <utility>

#include "core/fields.h"
#include "core/registered.h"
#include "custom/custom_layer.h"
#include "layers/fields.h"
#include "layers/registry.h"
#include "stoker/error.h"

namespace stoker {
namespace custom {
namespace {

using Function = detail::Function<std::vector<Value>(const std::vector<Value>&)>;

struct LambdaArguments {
  Config function{};  // The registered name, or null.
  NameOptions options{};
};

void describe(Fields& fields, LambdaArguments& lambda) {
  layers::describe_common(fields, lambda.options);
  fields("function", lambda.function);
  fields.ignored({"mask"});
  fields.never({"output_shape", "arguments"});
}

class LambdaLayer final : public UserLayer {
 public:
  LambdaLayer(Function function, bool takes_several, LambdaOptions options)
      : UserLayer("Lambda", options.name, options.dtype),
        function_(std::move(function)),
        registered_(std::move(options.function)) {
    takes_list = takes_several;
  }

  void write_fields(Fields& fields) const override {
    LambdaArguments arguments;
    if (!registered_.empty()) arguments.function = registered_;
    arguments.options = {.name = name(),
                         .dtype = policy() ? layers::name_of(*policy()) : std::string()};
    describe(fields, arguments);
  }

  const Function& function() const { return function_; }

 protected:
  std::vector<Value> run(layers::BuildScope&, const std::vector<Value>& inputs) override {
    if (!takes_list && inputs.size() != 1) {
      throw ShapeError(format(label(), ": expected one input, received ", inputs.size(),
                              ". A function of several values takes a vector of them"));
    }
    const std::vector<Value> results = function_(inputs);
    require_used(inputs, results);
    return results;
  }

 private:
  // A function that forgets its values trains nothing before it, which is a mistake nobody sees.
  void require_used(const std::vector<Value>& inputs, const std::vector<Value>& results) const {
    std::vector<graph::Value> given;
    for (const Value& input : inputs) given.push_back(layers::tensor_of(input));
    const bool is_used = std::ranges::any_of(
        results, [&](const Value& result) { return depends_on(layers::tensor_of(result), given); });
    if (is_used) return;
    throw ValueError(format(label(), ": expected a result that depends on the function's ",
                            "arguments, received one that is the same for all of them"));
  }

  const Function function_;
  const std::string registered_;
};

Layer make(Function function, bool takes_list, LambdaOptions options) {
  return Layer(std::make_shared<LambdaLayer>(std::move(function), takes_list, std::move(options)));
}

// A registered function, with the form in which it takes its values.
struct Known {
  Function function;
  bool takes_list = false;
};
Registered<Known>& known_functions() {
  static Registered<Known> registered("register_lambda");
  return registered;
}

Layer lambda_named(const std::string& function, LambdaOptions options) {
  const Known known = known_functions().at("function", function);
  options.function = function;
  return make(known.function, known.takes_list, std::move(options));
}

void require_function(bool is_there) {
  if (!is_there) throw ValueError("Lambda: expected a function, received none");
}

}  // namespace
}  // namespace custom

Layer Lambda(detail::Function<Value(const Value&)> function, LambdaOptions options) {
  custom::require_function(static_cast<bool>(function));
  return custom::make(
      [function = std::move(function)](const std::vector<Value>& inputs) {
        return std::vector<Value>{function(inputs[0])};
      },
      false, std::move(options));
}

Layer Lambda(detail::Function<Value(const std::vector<Value>&)> function, LambdaOptions options) {
  custom::require_function(static_cast<bool>(function));
  return custom::make(
      [function = std::move(function)](const std::vector<Value>& inputs) {
        return std::vector<Value>{function(inputs)};
      },
      true, std::move(options));
}

Layer Lambda(detail::Function<std::vector<Value>(const std::vector<Value>&)> function,
             LambdaOptions options) {
  custom::require_function(static_cast<bool>(function));
  return custom::make(std::move(function), true, std::move(options));
}

Layer Lambda(const char* function, LambdaOptions options) {
  if (function == nullptr) throw ValueError("Lambda: expected a function's name, received none");
  return custom::lambda_named(function, std::move(options));
}

void register_lambda(const std::string& function, const Layer& lambda) {
  const auto* layer = dynamic_cast<const custom::LambdaLayer*>(lambda.base().get());
  if (layer == nullptr) {
    throw ValueError(format("register_lambda: expected a Lambda for \"", function, "\""));
  }
  custom::known_functions().add(function, {layer->function(), layer->takes_list});
}

// Keras writes the code of a function into its files, which is nothing that can be run here.
Layer layers::make_Lambda(Fields& fields) {
  const auto arguments = fields.all<custom::LambdaArguments>();
  if (!arguments.function.is_string()) {
    throw ValueError(
        "Lambda: expected the name of a function that register_lambda() has made known, received " +
        arguments.function.described() +
        ". Files keep no code: make the model anew and load its weights by load_weights(), or give "
        "the Lambda a registered name before the model is saved");
  }
  return custom::lambda_named(
      arguments.function.string(),
      {.function = {}, .name = arguments.options.name, .dtype = arguments.options.dtype});
}

}  // namespace stoker

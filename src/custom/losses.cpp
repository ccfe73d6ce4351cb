// The losses of samples as functions, and losses as functions of values.
#include "core/fields.h"
#include "custom/function.h"
#include "losses/loss.h"
#include "ops/common.h"
#include "stoker/error.h"

namespace stoker {
namespace functions {
namespace {

std::vector<Tensor> values_of(const FunctionCall& call, const Loss& loss) {
  if (call.inputs.size() != 2) throw ValueError("expected a target and an output");
  return {loss.base()->values(call.inputs[0], call.inputs[1])};
}
Config by_logits(bool from_logits) { return Config::map({{"from_logits", from_logits}}); }

}  // namespace

std::vector<Tensor> build_sparse_categorical_crossentropy(const FunctionCall& call) {
  return values_of(call, SparseCategoricalCrossentropy({.from_logits = call.flag("from_logits")}));
}
stoker::Value sparse_categorical_crossentropy(const stoker::Value& target,
                                              const stoker::Value& output, bool from_logits) {
  return apply("sparse_categorical_crossentropy", {target, output}, by_logits(from_logits));
}

std::vector<Tensor> build_categorical_crossentropy(const FunctionCall& call) {
  return values_of(call, CategoricalCrossentropy({.from_logits = call.flag("from_logits")}));
}
stoker::Value categorical_crossentropy(const stoker::Value& target, const stoker::Value& output,
                                       bool from_logits) {
  return apply("categorical_crossentropy", {target, output}, by_logits(from_logits));
}

// The loss is the mean along an axis, here one of extent 1.
std::vector<Tensor> build_binary_crossentropy(const FunctionCall& call) {
  if (call.inputs.size() != 2) throw ValueError("expected a target and an output");
  const auto with_one = [](Tensor x) {
    Shape shape = x.shape();
    shape.push_back(1);
    return ops::reshape(x, shape);
  };
  const Loss loss = BinaryCrossentropy({.from_logits = call.flag("from_logits")});
  return {loss.base()->values(with_one(call.inputs[0]), with_one(call.inputs[1]))};
}
stoker::Value binary_crossentropy(const stoker::Value& target, const stoker::Value& output,
                                  bool from_logits) {
  return apply("binary_crossentropy", {target, output}, by_logits(from_logits));
}

}  // namespace functions

Value Loss::operator()(const Value& y_true, const Value& y_pred) const {
  return (*this)(y_true, y_pred, Value());
}

Value Loss::operator()(const Value& y_true, const Value& y_pred, const Value& sample_weight) const {
  if (!base_) throw ValueError("Loss: expected a loss to compute, received none");
  return Fields::with_place(format("loss \"", base_->name(), "\""), [&] {
    const graph::Value weight = sample_weight ? layers::tensor_of(sample_weight) : graph::Value{};
    const layers::MaskedValue predicted = layers::ValueAccess::tensor(y_pred);
    return layers::value_of(losses::compute(
        *base_, layers::tensor_of(y_true), ops::to_float(predicted.value), weight, predicted.mask));
  });
}

}  // namespace stoker

#include "layers/recurrent/cell.h"

#include <algorithm>

#include "ops/common.h"
#include "stoker/config.h"
#include "stoker/error.h"

namespace stoker::layers {

using graph::Expr;
using graph::Value;

namespace {

// Where a step does not count, what was there before stays. The mask is [batch, 1].
Value masked(Value mask, Value after, Value before) {
  Shape shape{mask.shape()[0]};
  while (shape.rank() < after.shape().rank()) shape.push_back(1);
  const Value kept = ops::map(ops::reshape(mask, shape), after, before,
                              [](Expr m, Expr a, Expr b) { return select(equal(m, 0.0f), b, a); });
  return ops::cast(kept, after.dtype());
}

}  // namespace

Value with_step(Value x) {
  Shape shape{x.shape()[0], 1};
  for (std::size_t axis = 1; axis < x.shape().rank(); ++axis) shape.push_back(x.shape()[axis]);
  return ops::reshape(x, shape);
}

Value without_step(Value x) {
  Shape shape{x.shape()[0]};
  for (std::size_t axis = 2; axis < x.shape().rank(); ++axis) shape.push_back(x.shape()[axis]);
  return ops::reshape(x, shape);
}

CellLayer::States CellLayer::zero_states(BuildContext& context, Value x) const {
  States states;
  for (const Shape& shape : state_shapes(x)) {
    states.push_back(ops::cast(ops::fill(*x.graph, shape, 0.0f), context.compute_dtype()));
  }
  return states;
}

SequenceResult CellLayer::run(BuildContext& context, Value x, const States& given, Value mask,
                              const SequenceOptions& options) {
  States states = given.empty() ? zero_states(context, x) : given;
  const Step step = begin(context, x);
  const std::int64_t count = x.shape()[1];
  const std::vector<Value> xs = ops::split(x, 1, count);
  const std::vector<Value> masks = mask ? ops::split(mask, 1, count) : std::vector<Value>{};
  std::vector<Value> outputs(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const std::size_t time = options.is_backwards ? outputs.size() - 1 - i : i;
    States after = step(without_step(xs[time]), states);
    for (std::size_t k = 0; k < after.size() && mask; ++k) {
      after[k] = masked(masks[time], after[k], states[k]);
    }
    states = std::move(after);
    outputs[options.in_order_of_input ? time : i] = states[output_state()];
  }
  SequenceResult result{states[output_state()], {}, states};
  if (options.returns_sequence) {
    std::ranges::transform(outputs, outputs.begin(), with_step);
    result.sequence = outputs.size() == 1 ? outputs[0] : ops::concatenate(outputs, 1);
  }
  return result;
}

std::vector<MaskedValue> CellLayer::build(BuildContext& context,
                                          std::span<const MaskedValue> inputs) {
  refuse_masks(*this, inputs);
  if (inputs.size() != 1 + state_count()) {
    throw ShapeError(format(label(), ": expected an input and ", state_count(),
                            state_count() == 1 ? " state" : " states", ", received ", inputs.size(),
                            inputs.size() == 1 ? " value" : " values"));
  }
  States states;
  for (const MaskedValue& input : inputs.subspan(1)) {
    states.push_back(context.to_compute(input.value));
  }
  Value x = with_step(context.to_compute(inputs[0].value));
  const Step step = begin(context, x);
  const States after = step(without_step(x), states);
  std::vector<MaskedValue> outputs{{after[output_state()]}};
  for (const Value& state : after) outputs.push_back({state});
  return outputs;
}

std::shared_ptr<CellLayer> cell_of(const Layer& layer, const char* what) {
  auto cell = std::dynamic_pointer_cast<CellLayer>(layer.base());
  if (cell == nullptr) {
    throw ValueError(
        format(what, ": expected a cell, such as LSTMCell, received ",
               layer.base() == nullptr ? "a layer that was moved from" : layer.base()->label()));
  }
  return cell;
}

}  // namespace stoker::layers

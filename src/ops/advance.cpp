// Op advance decides whether a training step counts; after it the step is not taken back.
#include "ops/common.h"

namespace stoker::ops {

const Op advance_op = define_without_gradient(
    "advance", OpIndex::advance, "it moves counters, not values",
    {.takes_any_dtype = false, .writes_scalars = true, .multiply_adds = nullptr});

std::string AdvanceAttributes::text() const {
  if (!counts) return "counts nothing";
  return scale_growth_steps > 0 ? format("loss scale grows after ", scale_growth_steps) : "";
}

void advance(Value loss, Value largest_gradient, std::int32_t scale_growth_steps, bool counts) {
  require(loss.shape().rank() == 0, *loss.graph, "expected a loss of shape (), received ",
          loss.shape());
  AdvanceAttributes attributes;
  attributes.scale_growth_steps = scale_growth_steps;
  attributes.counts = counts;
  std::vector<Value> inputs{loss};
  if (largest_gradient) inputs.push_back(largest_gradient);
  loss.graph->append(advance_op, inputs, share(attributes), {});
}

}  // namespace stoker::ops

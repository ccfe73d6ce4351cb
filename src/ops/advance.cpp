// advance: the point of no return of a training step.
#include "ops/common.h"

namespace stoker::ops {

const Op advance_op =
    define_without_gradient("advance", OpIndex::advance, "it moves counters, not values");

std::string AdvanceAttributes::text() const { return {}; }

void advance(Value loss, Value largest_gradient) {
  require(loss.shape().rank() == 0, *loss.graph, "expected a loss of shape (), received ",
          loss.shape());
  std::vector<Value> inputs{loss};
  if (largest_gradient) inputs.push_back(largest_gradient);
  loss.graph->append(advance_op, inputs, share(AdvanceAttributes{}), {});
}

}  // namespace stoker::ops

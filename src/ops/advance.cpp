// advance: the point of no return of a training step.
#include "ops/common.h"

namespace stoker::ops {

const Op advance_op =
    define_without_gradient("advance", OpIndex::advance, "it moves counters, not values");

std::string AdvanceAttributes::text() const { return {}; }

void advance(Value loss) {
  require(loss.shape().rank() == 0, *loss.graph, "expected a loss of shape (), received ",
          loss.shape());
  loss.graph->append(advance_op, {loss}, share(AdvanceAttributes{}), {});
}

}  // namespace stoker::ops

// The tensors that a call was given, in the order of the model's inputs and outputs.
#pragma once

#include <deque>
#include <vector>

#include "stoker/tensor.h"

namespace stoker::train {

// The pointers lead to the caller's tensors, or into `converted` for those that had to be
// converted.
struct Arrays {
  std::vector<const Tensor*> inputs;
  std::vector<const Tensor*> targets;
  std::vector<const Tensor*> sample_weights;
  std::deque<Tensor> converted;  // A deque never moves its elements.
};

}  // namespace stoker::train

// Adam's step, which other optimizers take for a part of the weights.
#pragma once

#include "optimizers/optimizer.h"

namespace stoker::optimizers {

struct AdamNumbers {
  double beta_1 = 0.9;
  double beta_2 = 0.999;
  double epsilon = 1e-7;
  bool amsgrad = false;
  double rate_ratio = 1.0;  // The learning rate is multiplied by it.
};

// Appends Adam's step. Slots 0, 1 and, for AMSGrad, 2 are momentum, velocity and velocity_hat.
void append_adam(Update& update, graph::Expr parameter, const AdamNumbers& numbers);

}  // namespace stoker::optimizers

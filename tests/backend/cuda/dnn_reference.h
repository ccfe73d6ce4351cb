// What cuDNN is asked for, computed from its definition on the host: the yardstick for its results,
// and its stand-in where a step runs without a GPU.
#pragma once

#include "backend/cuda/plan/dnn_spec.h"
#include "backend/cuda/runtime/cudnn_plan.h"

namespace stoker::test {

// Any strides. Sums are float64 and rounded once to float32, then to y's type; TF32 is left out. As
// in cuDNN, relu makes 0 of NaN. The workspace is not used.
void run_dnn_reference(const backend::cuda::DnnSpec& spec,
                       const backend::cuda::DnnPointers& pointers);

}  // namespace stoker::test

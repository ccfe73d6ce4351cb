// The kinds of specs that layers come to: for tests that ask cuDNN for plans and for those that
// compute.
#pragma once

#include <string>
#include <vector>

#include "backend/cuda/plan/dnn_specs.h"

namespace stoker::test {

struct DnnCase {
  std::string name;  // "conv 3x3 same 32: bias relu"
  backend::cuda::DnnSpec spec;
};

std::vector<DnnCase> dnn_matmul_cases(const backend::cuda::DnnTypes& types);
// The same as 1x1 convolutions.
std::vector<DnnCase> dnn_matmul_as_conv_cases(const backend::cuda::DnnTypes& types);
// Products for each place of a batch.
std::vector<DnnCase> dnn_batched_matmul_cases(const backend::cuda::DnnTypes& types);
std::vector<DnnCase> dnn_conv_cases(const backend::cuda::DnnTypes& types);

}  // namespace stoker::test

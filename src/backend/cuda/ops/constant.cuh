// A thread writes a value.
#pragma once

#include "backend/cuda/kernels/device.cuh"
#include "backend/cuda/ops/constant.h"

namespace stoker::backend::cuda {

STOKER_KERNEL(constant) {
  each_index(p.count, [&](auto i) { p.y[p.begin + static_cast<std::int64_t>(i)] = p.values[i]; });
}

}  // namespace stoker::backend::cuda

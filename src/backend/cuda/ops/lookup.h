// Parameters of ops lookup and cross_hash.
#pragma once

#include <cstdint>

#include "backend/cuda/kernels/kernel.h"
#include "core/lookup_table.h"

namespace stoker::backend::cuda {

struct lookup_params {
  const std::int32_t* numbers = {};
  const float* table = {};  // [4, entries], null without entries
  std::int32_t* y = {};
  plan::Scalars* scalars = {};
  std::uint32_t* counters = {};  // two: blocks that are done, the first unknown number
  std::int64_t count = {};       // less than 2^32 - 1
  UnknownNumbers unknown = {};
  std::int32_t entries = {};
  std::int32_t node = {};
};
// The kernel crosses the columns of each row.
struct cross_hash_params {
  const std::int32_t* numbers = {};
  std::int32_t* y = {};
  std::int64_t rows = {};
  std::int32_t columns = {};
  std::int32_t buckets = {};
};

Grid grid_of(const lookup_params& params);
const Kernel& kernel_of(const lookup_params& params);
Grid grid_of(const cross_hash_params& params);
const Kernel& kernel_of(const cross_hash_params& params);

}  // namespace stoker::backend::cuda

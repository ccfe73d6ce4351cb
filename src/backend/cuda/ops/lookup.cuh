// A thread looks up a number, or crosses a row.
#pragma once

#include "backend/cuda/kernels/classes.cuh"
#include "backend/cuda/ops/lookup.h"

namespace stoker::backend::cuda {

STOKER_KERNEL(lookup) {
  std::uint32_t bad = 0;
  each_index(p.count, [&](auto at) {
    const auto i = static_cast<std::int64_t>(at);
    const std::int32_t number = p.numbers[i];
    const std::int32_t place = place_in_table(p.table, p.entries, number);
    if (place >= 0) {
      p.y[i] = value_in_table(p.table, p.entries, place);
    } else if (p.unknown.buckets > 0) {
      p.y[i] = bucket_of(number, p.unknown);
    } else {
      p.y[i] = 0;
      bad = max(bad, code_of_row(i));
    }
  });
  record_bad_label(bad, p.counters, *p.scalars, p.node,
                   [&](std::int64_t i) { return p.numbers[i]; });
}

STOKER_KERNEL(cross_hash) {
  each_index(p.rows, [&](auto at) {
    const auto row = static_cast<std::int64_t>(at);
    p.y[row] = crossed(p.numbers + row * p.columns, p.columns, p.buckets);
  });
}

}  // namespace stoker::backend::cuda

// Ops that work along the last axis: the shape as rows, and the first bad label among them.
#pragma once

#include <atomic>
#include <cstdint>
#include <limits>

#include "backend/cpu/kernel.h"

namespace stoker::backend::cpu {

struct Rows {
  std::int64_t count = 1;
  std::int64_t columns = 1;

  explicit Rows(const Shape& shape) {
    if (shape.rank() == 0) return;
    columns = shape.back();
    for (std::size_t i = 0; i + 1 < shape.rank(); ++i) count *= shape[i];
  }
};

// The lowest row that any thread reports: the same one however the rows were shared out.
class FirstBadRow {
 public:
  void report(std::int64_t row) {
    std::int64_t known = row_.load(std::memory_order_relaxed);
    while (row < known && !row_.compare_exchange_weak(known, row, std::memory_order_relaxed)) {
    }
  }

  // Once all threads are done. The first error of a step stays.
  void record(plan::Scalars& scalars, graph::NodeId node, const std::int32_t* labels) const {
    const std::int64_t row = row_.load(std::memory_order_relaxed);
    if (row == kNoRow || scalars.error != plan::StepError::none) return;
    scalars.error = plan::StepError::label_out_of_range;
    scalars.error_node = node;
    scalars.error_detail = labels[row];
    scalars.error_row = row;
  }

 private:
  static constexpr std::int64_t kNoRow = std::numeric_limits<std::int64_t>::max();
  std::atomic<std::int64_t> row_ = kNoRow;
};

}  // namespace stoker::backend::cpu

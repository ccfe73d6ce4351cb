// Ops that work along the last axis: the shape as rows, class numbers, and the first bad one.
#pragma once

#include <atomic>
#include <cmath>
#include <cstdint>
#include <limits>

#include "backend/cpu/ops/kernel.h"

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

// Class numbers as a batch gives them: int32 or float32.
class ClassNumbers {
 public:
  ClassNumbers(DType dtype, const void* data) : data_(data), is_float_(dtype == DType::float32) {}

  std::int32_t operator[](std::int64_t i) const {
    return is_float_ ? truncated(static_cast<const float*>(data_)[i])
                     : static_cast<const std::int32_t*>(data_)[i];
  }

  // Rounds a label down, so that a negative one does not become class 0. NaN and values that int32
  // cannot hold give -1, which is no class.
  static std::int32_t truncated(float label) {
    constexpr float kLimit = 2147483648.0f;
    return label >= -kLimit && label < kLimit ? static_cast<std::int32_t>(std::floor(label)) : -1;
  }

 private:
  const void* data_;
  bool is_float_;
};

// Finds the lowest row that any thread reports, which is the same one however the rows were shared
// out.
class FirstBadRow {
 public:
  void report(std::int64_t row) {
    std::int64_t known = row_.load(std::memory_order_relaxed);
    while (row < known && !row_.compare_exchange_weak(known, row, std::memory_order_relaxed)) {
    }
  }

  // Records the row once all threads are done, unless the step has recorded an error before.
  template <class Labels>
  void record(plan::Scalars& scalars, graph::NodeId node, const Labels& labels) const {
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

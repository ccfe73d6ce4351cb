#include "stoker/timeseries.h"

#include <algorithm>
#include <limits>

#include "core/check.h"
#include "core/format.h"
#include "stoker/error.h"

namespace stoker::detail {
namespace {

constexpr const char* kWhere = "timeseries_dataset_from_array";

std::int64_t rows_of(const Tensor& tensor, const char* name) {
  if (tensor.shape().rank() == 0) {
    throw ShapeError(format(kWhere, ": expected ", name,
                            " to have rows along its first axis, received a scalar"));
  }
  return tensor.shape()[0];
}

}  // namespace

WindowPlan plan_windows(const Tensor& data, const Tensor* targets,
                        const TimeseriesOptions& options) {
  check::require(kWhere, "sequence_length", options.sequence_length, check::at_least(1));
  check::require(kWhere, "sequence_stride", options.sequence_stride, check::at_least(1));
  check::require(kWhere, "sampling_rate", options.sampling_rate, check::at_least(1));
  if (options.batch_size) {
    check::require(kWhere, "batch_size", *options.batch_size, check::at_least(1));
  }
  const std::int64_t rows = rows_of(data, "data");
  const std::int64_t end = options.end_index.value_or(rows);
  if (options.start_index < 0 || options.start_index >= end || end > rows) {
    throw ValueError(format(kWhere, ": expected 0 <= start_index < end_index <= ", rows,
                            ", the rows of data, received start_index ", options.start_index,
                            " and end_index ", end));
  }
  std::int64_t span = 0;  // from a window's first row to its last
  if (__builtin_mul_overflow(options.sequence_length - 1, options.sampling_rate, &span)) {
    span = std::numeric_limits<std::int64_t>::max();
  }
  std::int64_t starts = span < end - options.start_index ? end - options.start_index - span : 0;
  if (starts == 0) {
    throw ValueError(format(kWhere, ": expected room for a window of ", options.sequence_length,
                            " rows, ", options.sampling_rate, " apart, received ",
                            end - options.start_index, " rows from start_index to end_index"));
  }
  if (targets != nullptr) {
    const std::int64_t labels = rows_of(*targets, "targets");
    starts = std::min(starts, labels);
    if (labels < options.start_index + starts) {
      throw ShapeError(format(kWhere, ": expected a target for each of the rows ",
                              options.start_index, " to ", options.start_index + starts - 1,
                              " at which windows begin, received ", labels, " targets"));
    }
  }
  const std::int64_t count = divided_up(starts, options.sequence_stride);
  if (count > std::numeric_limits<std::int32_t>::max()) {
    throw ValueError(format(kWhere, ": expected fewer than 2^31 windows, received ", count));
  }
  return {.count = static_cast<std::int32_t>(count),
          .first = options.start_index,
          .stride = options.sequence_stride,
          .length = options.sequence_length,
          .rate = options.sampling_rate};
}

Dataset<std::int32_t> order_of(const WindowPlan& plan, const TimeseriesOptions& options) {
  const Dataset<std::int32_t> windows = range(plan.count);
  return options.shuffle ? windows.shuffle(plan.count, options.seed) : windows;
}

}  // namespace stoker::detail

// Windows over a series of rows, with Keras's timeseries_dataset_from_array.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include "stoker/dataset.h"
#include "stoker/tensor.h"

namespace stoker {

// All positions are rows of the data.
struct TimeseriesOptions {
  std::int64_t sequence_length = 1;              // rows of a window
  std::int64_t sequence_stride = 1;              // between the first rows of neighbouring windows
  std::int64_t sampling_rate = 1;                // between neighbouring rows of a window
  std::optional<std::int64_t> batch_size = 128;  // without one, windows come one by one
  bool shuffle = false;                          // another order of the windows in each epoch
  std::uint64_t seed = 0;
  std::int64_t start_index = 0;             // rows before it are not used
  std::optional<std::int64_t> end_index{};  // nor is this one, or those behind it
};

// Returns windows of `data` (rows, ...) as elements (sequence_length, ...), each with the row of
// `targets` that stands at the window's first row: shift the targets to predict something later, as
// in Keras. Elements can be asked for by number, so that the feed's workers make them, and copy
// nothing but the window.
//
//   auto windows = timeseries_dataset_from_array<float, float>(
//       series, shifted, {.sequence_length = 120, .sampling_rate = 6, .batch_size = 256});
//   model.fit(windows, {.epochs = 10});
//
// Throws ValueError for lengths, strides and rates below 1, and for indices outside of the data or
// between which no window fits; ShapeError for scalars, and where there are fewer targets than
// windows ask for; DTypeError if T and Y are not the tensors' element types.
template <class T, class Y>
Dataset<T, Y> timeseries_dataset_from_array(Tensor data, Tensor targets,
                                            const TimeseriesOptions& options);
// Returns windows alone, for predict() and for models that predict the windows themselves.
template <class T>
Dataset<T> timeseries_dataset_from_array(Tensor data, const TimeseriesOptions& options);

}  // namespace stoker

#include "stoker/detail/timeseries.h"  // what the templates above do

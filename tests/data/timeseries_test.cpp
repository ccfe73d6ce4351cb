#include "stoker/timeseries.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "stoker/error.h"

namespace stoker::test {
namespace {

using Ints = std::vector<std::int32_t>;

Tensor counting(std::int64_t rows) {
  Tensor tensor(Shape{rows}, DType::int32);
  for (std::int32_t i = 0; auto& value : tensor.data<std::int32_t>()) value = i++;
  return tensor;
}
Ints values_of(const Dataset<std::int32_t>& dataset, std::int64_t epoch = 0) {
  Ints all;
  dataset.for_each(
      [&](std::span<const std::int32_t> x) { all.insert(all.end(), x.begin(), x.end()); }, epoch);
  return all;
}

TEST(Timeseries, windows_keep_between_start_and_end) {
  const auto windows = timeseries_dataset_from_array<std::int32_t>(
      counting(20),
      {.sequence_length = 3, .sequence_stride = 2, .start_index = 4, .end_index = 10});
  EXPECT_EQ(values_of(windows), (Ints{4, 5, 6, 6, 7, 8}));
  EXPECT_TRUE(windows.is_random_access());
}

TEST(Timeseries, targets_are_those_of_the_first_row) {
  const auto windows = timeseries_dataset_from_array<std::int32_t, std::int32_t>(
      counting(8), counting(8), {.sequence_length = 2, .sampling_rate = 3, .batch_size = {}});
  Ints labels;
  windows.for_each([&](std::span<const std::int32_t> x, std::span<const std::int32_t> y) {
    EXPECT_EQ(x[1], x[0] + 3);
    EXPECT_EQ(y[0], x[0]);
    labels.push_back(y[0]);
  });
  EXPECT_EQ(labels, (Ints{0, 1, 2, 3, 4}));
}

TEST(Timeseries, fewer_targets_make_fewer_windows) {
  const auto windows = timeseries_dataset_from_array<std::int32_t, std::int32_t>(
      counting(9), counting(5), {.sequence_length = 2, .batch_size = {}});
  EXPECT_EQ(windows.cardinality(), 5);
  EXPECT_THROW((timeseries_dataset_from_array<std::int32_t, std::int32_t>(
                   counting(9), counting(5), {.sequence_length = 2, .start_index = 3})),
               ShapeError);
}

TEST(Timeseries, shuffles_anew_in_each_epoch_by_the_seed) {
  const TimeseriesOptions options{.shuffle = true, .seed = 3};
  const auto windows = timeseries_dataset_from_array<std::int32_t>(counting(100), options);
  Ints first = values_of(windows, 0);
  EXPECT_NE(first, values_of(windows, 1));
  EXPECT_EQ(first, values_of(windows, 0));
  std::ranges::sort(first);
  const Tensor rows = counting(100);
  EXPECT_TRUE(std::ranges::equal(first, rows.data<std::int32_t>()));
}

TEST(Timeseries, refuses_what_makes_no_window) {
  const auto make = [](const TimeseriesOptions& options) {
    timeseries_dataset_from_array<std::int32_t>(counting(5), options);
  };
  EXPECT_THROW(make({.sequence_length = 0}), ValueError);
  EXPECT_THROW(make({.sequence_stride = 0}), ValueError);
  EXPECT_THROW(make({.sampling_rate = 0}), ValueError);
  EXPECT_THROW(make({.batch_size = 0}), ValueError);
  EXPECT_THROW(make({.sequence_length = 6}), ValueError);
  EXPECT_THROW(make({.sequence_length = 1L << 62, .sampling_rate = 1L << 62}), ValueError);
  EXPECT_THROW(make({.start_index = 5}), ValueError);
  EXPECT_THROW(make({.start_index = -1}), ValueError);
  EXPECT_THROW(make({.end_index = 6}), ValueError);
  EXPECT_THROW(timeseries_dataset_from_array<float>(counting(5), {}), DTypeError);
  EXPECT_THROW(timeseries_dataset_from_array<float>(Tensor(Shape{}), {}), ShapeError);
}

}  // namespace
}  // namespace stoker::test

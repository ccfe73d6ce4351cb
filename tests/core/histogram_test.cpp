#include "stoker/histogram.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>

namespace stoker {
namespace {

TEST(DurationHistogram, every_duration_lies_within_the_bounds_of_its_bucket) {
  for (std::int64_t ns = 1; ns < std::int64_t{1} << 38; ns += 1 + ns / 3) {
    const std::size_t bucket = DurationHistogram::bucket_of(ns);
    ASSERT_LT(bucket, DurationHistogram::kBuckets);
    EXPECT_LE(DurationHistogram::lower_bound(bucket), static_cast<double>(ns));
    if (bucket + 1 < DurationHistogram::kBuckets) {
      EXPECT_GT(DurationHistogram::lower_bound(bucket + 1), static_cast<double>(ns));
    }
  }
  EXPECT_EQ(DurationHistogram::bucket_of(-5), 0U);
  EXPECT_EQ(DurationHistogram::bucket_of(INT64_MAX), DurationHistogram::kBuckets - 1);
}

TEST(DurationHistogram, mean_is_exact_and_quantiles_are_close) {
  DurationHistogram durations;
  for (std::int64_t i = 1; i <= 1000; ++i) durations.add(1000 * i);
  EXPECT_DOUBLE_EQ(durations.mean(), 500.5e-6);
  EXPECT_NEAR(durations.quantile(0.5), 500e-6, 60e-6);
  EXPECT_NEAR(durations.quantile(0.9), 900e-6, 110e-6);
  EXPECT_EQ(DurationHistogram{}.quantile(0.5), 0.0);
}

TEST(DurationHistogram, values_take_no_memory_that_was_reserved) {
  DurationHistogram durations;
  EXPECT_EQ(durations.bytes(), 0U);
  durations.reserve();
  const std::size_t reserved = durations.bytes();
  for (std::size_t bucket = 0; bucket < DurationHistogram::kBuckets; ++bucket) {
    durations.add(static_cast<std::int64_t>(DurationHistogram::lower_bound(bucket)) + 1);
  }
  EXPECT_EQ(durations.count(), DurationHistogram::kBuckets);
  EXPECT_EQ(durations.bytes(), reserved);
  durations.clear();
  EXPECT_EQ(durations.bytes(), reserved);
}

TEST(DurationHistogram, adds_and_subtracts) {
  DurationHistogram early;
  early.add(1000, 3);
  DurationHistogram late = early;
  late.add(5000, 2);
  const DurationHistogram between = late - early;
  EXPECT_EQ(between.count(), 2U);
  EXPECT_DOUBLE_EQ(between.mean(), 5e-6);
  early += between;
  EXPECT_EQ(early.count(), 5U);
  EXPECT_DOUBLE_EQ(early.total(), late.total());
}

}  // namespace
}  // namespace stoker

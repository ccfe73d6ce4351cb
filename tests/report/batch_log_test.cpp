// The batches that a report shows one by one.
#include "report/batch_log.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace stoker::report {
namespace {

constexpr std::int64_t kPitch = 1000;

// The stamps of batches [begin, end) on two workers and the loop, track by track, the loop first.
// Batch i takes 100 ns to generate; its step ends `length(i)` after that began.
template <class Length>
std::vector<Stamp> stamps_of(std::uint64_t begin, std::uint64_t end, const Length& length) {
  std::vector<Stamp> stamps;
  const auto at = [](std::uint64_t i) { return static_cast<std::int64_t>(i + 1) * kPitch; };
  for (std::uint64_t i = begin; i < end; ++i) {
    stamps.push_back({Stage::compute, 2, i, at(i) + length(i) - 10, at(i) + length(i)});
  }
  for (const std::uint32_t worker : {1U, 0U}) {
    for (std::uint64_t i = begin; i < end; ++i) {
      if (i % 2 == worker) stamps.push_back({Stage::generate, worker, i, at(i), at(i) + 100});
    }
  }
  return stamps;
}

std::int64_t same(std::uint64_t) { return 500; }

std::vector<std::uint64_t> numbers(const std::vector<BatchStamps>& batches) {
  std::vector<std::uint64_t> result;
  for (const BatchStamps& batch : batches) result.push_back(batch.sequence);
  return result;
}

TEST(BatchLog, keeps_the_first_and_the_last_whole) {
  BatchLog log;
  for (std::uint64_t i = 0; i < 100'000; i += 10'000) log.add(stamps_of(i, i + 10'000, same));
  EXPECT_EQ(log.batches(), 100'000U);
  ASSERT_EQ(log.first().size(), BatchLog::kFirst);
  EXPECT_EQ(log.first().front().sequence, 0U);
  EXPECT_EQ(log.first().back().sequence, BatchLog::kFirst - 1);
  const std::vector<BatchStamps> last = log.last();
  ASSERT_EQ(last.size(), BatchLog::kLast);
  EXPECT_EQ(last.back().sequence, 99'999U);
  for (const auto& batches : {log.first(), last}) {
    for (const BatchStamps& batch : batches) {
      EXPECT_EQ(batch.count, 2U);
      EXPECT_EQ(batch.length_ns(), 500);
    }
  }
}

TEST(BatchLog, tells_no_batch_twice) {
  BatchLog log;
  log.add(stamps_of(0, 300, same));
  EXPECT_EQ(log.first().size(), 200U);
  EXPECT_EQ(log.last().size(), 100U);
  EXPECT_EQ(log.last().front().sequence, 200U);
  BatchLog few;
  few.add(stamps_of(0, 5, same));
  EXPECT_EQ(few.first().size(), 5U);
  EXPECT_TRUE(few.last().empty());
}

TEST(BatchLog, finds_the_slowest_wherever_they_are) {
  BatchLog log;
  const auto length = [](std::uint64_t i) -> std::int64_t {
    return i % 1000 == 7 ? 10'000 + static_cast<std::int64_t>(i) : 500;
  };
  for (std::uint64_t i = 0; i < 50'000; i += 5'000) log.add(stamps_of(i, i + 5'000, length));
  const std::vector<BatchStamps> slowest = log.slowest();
  ASSERT_EQ(slowest.size(), BatchLog::kSlowest);
  std::vector<std::uint64_t> expected;
  for (std::uint64_t i = 0; i < 20; ++i) expected.push_back(49'007 - 1000 * i);
  EXPECT_EQ(numbers(slowest), expected);
  EXPECT_EQ(slowest.front().count, 2U);
}

TEST(BatchLog, takes_stamps_in_any_portions) {
  BatchLog whole, parts;
  whole.add(stamps_of(0, 3000, same));
  for (std::uint64_t i = 0; i < 3000; i += 7) {
    parts.add(stamps_of(i, std::min<std::uint64_t>(i + 7, 3000), same));
  }
  parts.add({});
  EXPECT_EQ(numbers(whole.first()), numbers(parts.first()));
  EXPECT_EQ(numbers(whole.last()), numbers(parts.last()));
  EXPECT_EQ(whole.batches(), parts.batches());
}

TEST(BatchLog, begins_where_a_fit_that_goes_on_begins) {
  BatchLog log;
  log.add(stamps_of(5000, 5010, same));
  EXPECT_EQ(log.first().size(), 10U);
  EXPECT_EQ(log.first().front().sequence, 5000U);
}

TEST(BatchLog, leaves_batches_out_that_were_made_and_not_used) {
  BatchLog log;
  std::vector<Stamp> stamps = stamps_of(0, 210, same);
  stamps.push_back({Stage::generate, 0, 210, 1, 2});
  log.add(stamps);
  EXPECT_EQ(log.last().back().sequence, 209U);
}

}  // namespace
}  // namespace stoker::report

#include "core/timeline.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <stdexcept>
#include <thread>
#include <vector>

namespace stoker {
namespace {

void expect_totals(const StageTotals& totals, std::uint64_t count, std::int64_t sum,
                   std::int64_t min, std::int64_t max) {
  EXPECT_EQ(totals.count, count);
  EXPECT_EQ(totals.sum_ns, sum);
  EXPECT_EQ(totals.min_ns, min);
  EXPECT_EQ(totals.max_ns, max);
}

TEST(Timeline, totals_are_kept_for_each_stage) {
  Timeline timeline(1);
  Track& track = timeline.track(0);
  track.stamp(Stage::compute, 0, 100, 130);
  track.stamp(Stage::compute, 1, 130, 140);
  track.stamp(Stage::compute, 2, 150, 170);
  track.stamp(Stage::upload, 0, 50, 55);
  const TimelineTotals totals = timeline.snapshot();
  expect_totals(totals[Stage::compute], 3, 60, 10, 30);
  expect_totals(totals[Stage::upload], 1, 5, 5, 5);
  expect_totals(totals[Stage::generate], 0, 0, 0, 0);
  EXPECT_GE(totals.elapsed_ns, 0);
}

TEST(Timeline, totals_are_merged_over_tracks) {
  Timeline timeline(3);
  timeline.track(0).stamp(Stage::generate, 0, 0, 10);
  timeline.track(2).stamp(Stage::generate, 1, 0, 4);
  timeline.track(2).stamp(Stage::generate, 2, 0, 7);
  expect_totals(timeline.snapshot()[Stage::generate], 3, 21, 4, 10);
}

TEST(Timeline, totals_stay_exact_when_the_ring_wraps) {
  Timeline timeline(1, 8);
  std::int64_t sum = 0;
  for (int i = 0; i < 1000; ++i) {
    timeline.track(0).stamp(Stage::launch, i, 0, i);
    sum += i;
  }
  expect_totals(timeline.snapshot()[Stage::launch], 1000, sum, 0, 999);
}

TEST(Timeline, keeps_the_latest_stamps_in_order_of_their_begin) {
  Timeline timeline(2, 5);
  for (std::int64_t i = 0; i < 12; ++i)
    timeline.track(0).stamp(Stage::generate, i, 10 * i, 10 * i + 3);
  timeline.track(1).stamp(Stage::compute, 0, 85, 86);
  const std::vector<Stamp> stamps = timeline.stamps();
  ASSERT_EQ(stamps.size(), 6U);
  const std::vector<std::int64_t> begins{70, 80, 85, 90, 100, 110};
  for (std::size_t i = 0; i < stamps.size(); ++i) EXPECT_EQ(stamps[i].begin_ns, begins[i]);
  EXPECT_EQ(stamps[0].sequence, 7U);
  EXPECT_EQ(stamps[0].end_ns, 73);
  EXPECT_EQ(stamps[0].stage, Stage::generate);
  EXPECT_EQ(stamps[2].stage, Stage::compute);
  EXPECT_EQ(stamps[2].worker, 1U);
}

TEST(Timeline, a_reset_starts_totals_and_stamps_anew) {
  Timeline timeline(2, 4);
  timeline.track(0).stamp(Stage::compute, 0, 0, 5);
  timeline.track(1).stamp(Stage::compute, 0, 0, 5);
  timeline.reset();
  expect_totals(timeline.snapshot()[Stage::compute], 0, 0, 0, 0);
  EXPECT_TRUE(timeline.stamps().empty());
  timeline.track(0).stamp(Stage::compute, 1, 10, 19);
  expect_totals(timeline.snapshot()[Stage::compute], 1, 9, 9, 9);
  ASSERT_EQ(timeline.stamps().size(), 1U);
  EXPECT_EQ(timeline.stamps()[0].sequence, 1U);
}

TEST(Timeline, without_room_for_stamps_still_counts) {
  Timeline timeline(1, 0);
  timeline.track(0).stamp(Stage::compute, 0, 0, 5);
  expect_totals(timeline.snapshot()[Stage::compute], 1, 5, 5, 5);
  EXPECT_TRUE(timeline.stamps().empty());
}

TEST(Timeline, a_clock_that_runs_backwards_counts_as_no_time) {
  Timeline timeline(1);
  timeline.track(0).stamp(Stage::compute, 0, 10, 5);
  expect_totals(timeline.snapshot()[Stage::compute], 1, 0, 0, 0);
}

TEST(Timeline, a_track_that_does_not_exist_is_refused) {
  Timeline timeline(2);
  EXPECT_EQ(timeline.size(), 2U);
  EXPECT_THROW(timeline.track(2), std::out_of_range);
}

TEST(Timeline, every_stage_has_a_name) {
  EXPECT_STREQ(name_of(Stage::generate), "generate");
  EXPECT_STREQ(name_of(static_cast<Stage>(kStages - 1)), "callback");
  EXPECT_STREQ(name_of(static_cast<Stage>(kStages)), "unknown");
}

TEST(Timeline, a_scoped_stamp_spans_its_scope) {
  Timeline timeline(1);
  const std::int64_t before = now_ns();
  { const ScopedStamp stamp(timeline.track(0), Stage::callback, 42); }
  const std::vector<Stamp> stamps = timeline.stamps();
  ASSERT_EQ(stamps.size(), 1U);
  EXPECT_EQ(stamps[0].sequence, 42U);
  EXPECT_LE(before, stamps[0].begin_ns);
  EXPECT_LE(stamps[0].begin_ns, stamps[0].end_ns);
  EXPECT_LE(stamps[0].end_ns, now_ns());
}

// Stamp i of a track lasts 3 ns and begins at 7 i: a torn read would break one of the two.
constexpr std::int64_t kDuration = 3;
constexpr std::uint64_t kStampsPerThread = 200000;

void stamp_many(Track& track) {
  for (std::uint64_t i = 0; i < kStampsPerThread; ++i) {
    const auto begin = static_cast<std::int64_t>(7 * i);
    track.stamp(Stage::generate, i, begin, begin + kDuration);
  }
}

void expect_whole(const Timeline& timeline) {
  const StageTotals totals = timeline.snapshot()[Stage::generate];
  ASSERT_EQ(totals.sum_ns, kDuration * static_cast<std::int64_t>(totals.count));
  if (totals.count > 0) {
    ASSERT_EQ(totals.min_ns, kDuration);
    ASSERT_EQ(totals.max_ns, kDuration);
  }
  for (const Stamp& stamp : timeline.stamps()) {
    ASSERT_EQ(stamp.begin_ns, static_cast<std::int64_t>(7 * stamp.sequence));
    ASSERT_EQ(stamp.end_ns, stamp.begin_ns + kDuration);
    ASSERT_EQ(stamp.stage, Stage::generate);
  }
}

TEST(Timeline, a_cursor_reads_each_stamp_once_whatever_was_reset) {
  Timeline timeline(2, 8);
  Timeline::Cursor cursor;
  std::vector<Stamp> stamps;
  timeline.read_since(cursor, stamps);
  EXPECT_TRUE(stamps.empty());
  timeline.track(0).stamp(Stage::generate, 0, 10, 20);
  timeline.track(1).stamp(Stage::compute, 0, 20, 30);
  timeline.reset();
  timeline.track(0).stamp(Stage::generate, 1, 20, 30);
  timeline.read_since(cursor, stamps);
  ASSERT_EQ(stamps.size(), 3U);
  EXPECT_EQ(stamps[0].worker, 1U);  // The last track comes first.
  EXPECT_EQ(stamps[1].sequence, 0U);
  EXPECT_EQ(stamps[2].sequence, 1U);
  stamps.clear();
  timeline.read_since(cursor, stamps);
  EXPECT_TRUE(stamps.empty());
}

TEST(Timeline, a_cursor_passes_over_what_was_overwritten) {
  Timeline timeline(1, 4);
  Timeline::Cursor cursor;
  std::vector<Stamp> stamps;
  for (int i = 0; i < 3; ++i) timeline.track(0).stamp(Stage::generate, i, i, i);
  timeline.read_since(cursor, stamps);
  for (int i = 3; i < 10; ++i) timeline.track(0).stamp(Stage::generate, i, i, i);
  timeline.read_since(cursor, stamps);
  std::vector<std::uint64_t> sequences;
  for (const Stamp& stamp : stamps) sequences.push_back(stamp.sequence);
  EXPECT_EQ(sequences, (std::vector<std::uint64_t>{0, 1, 2, 6, 7, 8, 9}));
}

TEST(Timeline, a_cursor_sees_whole_stamps_while_threads_write) {
  Timeline timeline(1, 16);
  std::atomic<bool> running{true};
  std::thread writer([&] {
    stamp_many(timeline.track(0));
    running = false;
  });
  Timeline::Cursor cursor;
  std::uint64_t next = 0;
  while (running) {
    std::vector<Stamp> stamps;
    timeline.read_since(cursor, stamps);
    for (const Stamp& stamp : stamps) {
      ASSERT_EQ(stamp.begin_ns, static_cast<std::int64_t>(7 * stamp.sequence));
      ASSERT_GE(stamp.sequence, next);
      next = stamp.sequence + 1;
    }
  }
  writer.join();
}

TEST(Timeline, readers_see_whole_stamps_while_threads_write) {
  Timeline timeline(2, 16);
  std::atomic<int> running{2};
  std::vector<std::thread> writers;
  for (std::size_t worker = 0; worker < 2; ++worker) {
    writers.emplace_back([&, worker] {
      stamp_many(timeline.track(worker));
      --running;
    });
  }
  while (running > 0) expect_whole(timeline);
  for (std::thread& writer : writers) writer.join();
  expect_totals(timeline.snapshot()[Stage::generate], 2 * kStampsPerThread,
                2 * kDuration * static_cast<std::int64_t>(kStampsPerThread), kDuration, kDuration);
  EXPECT_EQ(timeline.stamps().size(), 32U);
}

TEST(Timeline, a_reset_while_threads_write_leaves_whole_totals) {
  Timeline timeline(1, 16);
  std::atomic<bool> running{true};
  std::thread writer([&] {
    stamp_many(timeline.track(0));
    running = false;
  });
  while (running) {
    timeline.reset();
    expect_whole(timeline);
  }
  writer.join();
  EXPECT_LE(timeline.snapshot()[Stage::generate].count, kStampsPerThread);
}

}  // namespace
}  // namespace stoker

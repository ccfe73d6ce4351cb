// What the verdict says of the stages of a source, and of errors that were passed over.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "stoker/config.h"
#include "stoker/report.h"
#include "support/contains.h"

namespace stoker {
namespace {

using test::contains;

// A thousand batches, for which the step waited because "decode" is slow.
FeedReport slow_decode(int workers) {
  FeedReport report;
  report.batches = 1000;
  report.samples = 32000;
  report.waited_for_generator = 3.0;
  report.computed = 1.0;
  report.wall = 4.0;
  report.generated = 4.0;
  report.generate.add(4'000'000, 1000);
  report.step.add(1'000'000, 1000);
  report.source = SourceKind::dataset;
  report.cores = 8.0;
  report.stages = {{.name = "read", .elements = 32000, .bytes = 1 << 20, .busy = 0.2, .workers = 1},
                   {.name = "decode",
                    .elements = 32000,
                    .bytes = 1 << 24,
                    .busy = 4.0 * workers,
                    .waited_for_input = 0.01,
                    .workers = workers,
                    .asked = 1000,
                    .ready = 1500},
                   {.name = "batch", .elements = 1000, .busy = 0.1}};
  return report;
}

const Advice* advice_on(const std::vector<Advice>& all, const std::string& change) {
  for (const Advice& advice : all) {
    if (contains(advice.change, change)) return &advice;
  }
  return nullptr;
}

TEST(SourceStages, the_verdict_says_where_the_time_went) {
  const std::string verdict = slow_decode(2).verdict();
  EXPECT_TRUE(contains(verdict,
                       "Of the time in its stages, read on 1 thread took 2.4%, decode on 2 "
                       "threads took 96.4%, batch took 1.2%."))
      << verdict;
}

TEST(SourceStages, the_slowest_stage_with_threads_of_its_own_is_advised_more_of_them) {
  const std::vector<Advice> advice = slow_decode(1).advice();
  const Advice* const more = advice_on(advice, "workers of decode 1 → ");
  ASSERT_NE(more, nullptr);
  EXPECT_EQ(advice_on(advice, "workers 1 →"), nullptr);
  EXPECT_GT(more->speedup(), 2.0);
  EXPECT_LE(more->speedup(), 4.1);
}

TEST(SourceStages, no_more_threads_are_advised_than_the_cores_have_time_for) {
  FeedReport report = slow_decode(2);
  report.cores = 2.0;
  report.cpu = 7.9;
  EXPECT_EQ(advice_on(report.advice(), "workers of"), nullptr);
}

TEST(SourceStages, what_AUTOTUNE_chose_is_not_advised) {
  FeedReport tuned = slow_decode(1);
  tuned.stages[1].is_tuned = true;
  EXPECT_EQ(advice_on(tuned.advice(), "workers of"), nullptr);
}

TEST(SourceStages, a_stage_on_the_feeds_threads_has_no_workers_to_advise) {
  FeedReport report = slow_decode(1);
  for (StageReport& stage : report.stages) stage.workers = 0;
  EXPECT_EQ(advice_on(report.advice(), "workers of"), nullptr);
}

TEST(SourceStages, a_cheaper_batch_is_looked_for_in_the_stage_that_takes_most) {
  FeedReport report = slow_decode(1);
  report.generated_cpu_share = report.generated_core_share = 1.0;
  const std::vector<Advice> advice = report.advice();
  const Advice* const cheaper = advice_on(advice, "a cheaper batch");
  ASSERT_NE(cheaper, nullptr);
  EXPECT_TRUE(contains(cheaper->reason, "most of it (93.0%) in decode")) << cheaper->reason;
}

TEST(SourceStages, uint8_is_not_advised_where_it_is_used) {
  FeedReport report = slow_decode(1);
  report.generated_cpu_share = report.generated_core_share = 1.0;
  report.bytes = std::uint64_t{32000} * 224 * 224 * 3;
  report.float_share = 0.0;
  EXPECT_FALSE(contains(report.verdict(), "uint8")) << report.verdict();
}

TEST(SourceStages, are_the_same_from_json) {
  FeedReport report = slow_decode(2);
  report.failures = 3;
  report.first_failure = "photo 7 is \"rotten\"";
  const FeedReport read = FeedReport::from_json(report.to_json());
  EXPECT_EQ(read.to_json(), report.to_json());
  ASSERT_EQ(read.stages.size(), 3u);
  EXPECT_EQ(read.stages[1].name, "decode");
  EXPECT_EQ(read.stages[1].occupancy(), 1.5);
  EXPECT_EQ(read.failures, 3);
}

TEST(SourceStages, add_up) {
  FeedReport sum;
  sum += slow_decode(1);
  sum += slow_decode(1);
  ASSERT_EQ(sum.stages.size(), 3u);
  EXPECT_EQ(sum.stages[1].elements, 64000);
  EXPECT_EQ(sum.stages[1].busy, 8.0);
  EXPECT_EQ(sum.stages[1].occupancy(), 1.5);
}

TEST(SourceStages, errors_that_were_passed_over_are_told_with_the_first) {
  FeedReport report = slow_decode(1);
  report.failures = 2;
  report.first_failure = "photo 7 is rotten";
  EXPECT_TRUE(contains(report.verdict(),
                       "2 errors were passed over (on_error); the first: photo 7 is rotten."))
      << report.verdict();
}

}  // namespace
}  // namespace stoker

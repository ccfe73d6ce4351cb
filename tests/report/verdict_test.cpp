#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "feed/tuning/throughput_model.h"
#include "stoker/config.h"
#include "stoker/report.h"
#include "support/contains.h"

namespace stoker {
namespace {

using Class = FeedReport::Class;
using test::contains;

constexpr std::int64_t kMillisecond = 1'000'000;

// A thousand batches of 32 rows, on a device that reads host memory.
FeedReport report(double waited, double computed, double generated) {
  FeedReport result;
  result.batches = 1000;
  result.samples = 32000;
  result.waited_for_generator = waited;
  result.computed = computed;
  result.wall = waited + computed;
  result.generated = generated;
  result.generate.add(static_cast<std::int64_t>(1e6 * generated), 1000);
  result.step.add(static_cast<std::int64_t>(1e6 * computed), 1000);
  return result;
}

// The same on a device with memory of its own, whose uploads took `upload` seconds in all.
FeedReport device_report(double waited_for_upload, double waited_for_launch, double computed,
                         double upload) {
  FeedReport result = report(0.0, computed, 0.5);
  result.waited_for_upload = waited_for_upload;
  result.waited_for_launch = waited_for_launch;
  result.wall += waited_for_upload + waited_for_launch;
  result.bytes = 1'000'000'000;
  result.upload.add(static_cast<std::int64_t>(1e6 * upload), 1000);
  result.device_slots = 3;
  return result;
}

// The first advice that begins so; fails without one.
Advice advice_of(const FeedReport& report, const std::string& change) {
  std::string all;
  for (const Advice& advice : report.advice()) {
    if (advice.change.starts_with(change)) return advice;
    all += "\n" + advice.change;
  }
  ADD_FAILURE() << "no advice begins with \"" << change << "\" among:" << all;
  return {};
}

// ---- Classes ----
TEST(Verdict, classes_change_at_5_and_at_20_percent_of_waiting) {
  EXPECT_EQ(report(0.0, 1.0, 0.5).classify(), Class::compute_bound);
  EXPECT_EQ(report(4.9, 95.1, 1.0).classify(), Class::compute_bound);
  EXPECT_EQ(report(5.1, 94.9, 1.0).classify(), Class::balanced);
  EXPECT_EQ(report(19.9, 80.1, 1.0).classify(), Class::balanced);
  EXPECT_EQ(report(20.1, 79.9, 1.0).classify(), Class::generator_bound);
  EXPECT_EQ(report(1.0, 0.0, 1.0).classify(), Class::generator_bound);
}

TEST(Verdict, what_was_waited_for_most_names_the_class) {
  EXPECT_EQ(device_report(3.0, 0.0, 1.0, 4.0).classify(), Class::upload_bound);
  EXPECT_EQ(device_report(0.1, 3.0, 1.0, 0.1).classify(), Class::launch_bound);
  EXPECT_EQ(device_report(0.0, 0.01, 1.0, 0.1).classify(), Class::compute_bound);
}

TEST(Verdict, nothing_trained_is_nothing_to_judge) {
  EXPECT_EQ(FeedReport{}.classify(), Class::nothing);
  EXPECT_TRUE(contains(FeedReport{}.verdict(), "no batch was trained on"));
  EXPECT_TRUE(FeedReport{}.advice().empty());
}

TEST(Verdict, tells_of_slow_callbacks) {
  FeedReport slow = report(0.5, 9.5, 1.0);
  slow.callbacks = 0.4;
  EXPECT_FALSE(contains(slow.verdict(), "Hooks of callbacks"));
  slow.callbacks = 2.0;
  EXPECT_TRUE(contains(slow.verdict(), "Hooks of callbacks took 2.00 s, in which no step"));
}

TEST(Verdict, other_work_does_not_count_as_computing) {
  FeedReport mostly_validation = report(1.0, 1.0, 1.0);
  mostly_validation.other = 100.0;
  mostly_validation.wall += 100.0;
  EXPECT_EQ(mostly_validation.classify(), Class::generator_bound);
  EXPECT_TRUE(contains(mostly_validation.verdict(), "took another 100 s"));
}

// ---- Text ----
TEST(Verdict, tells_of_a_fast_generator) {
  EXPECT_EQ(report(0.096, 12.204, 2.5).verdict(),
            "compute-bound: the step computed 99.2% of the time and waited 0.8% of it for the "
            "generator (96.0 ms of 12.3 s).\n"
            "A batch takes 2.50 ms to generate on 1 worker and 12.2 ms to compute "
            "(2,602 samples/s).\n"
            "The batches come fast enough. Only a faster step shortens this: a larger batch_size, "
            "a smaller model, or a faster device. Without any waiting the run would be 0.8% "
            "shorter.\n");
}

TEST(Verdict, tells_of_a_slow_generator_and_what_workers_bring) {
  FeedReport slow = report(3.9, 1.2, 5.1);
  slow.is_pure = true;
  slow.generated_cpu_share = 0.9;
  const std::string verdict = slow.verdict();
  EXPECT_TRUE(contains(verdict,
                       "generator-bound: the step computed 23.5% of the time and waited 76.5% of "
                       "it for the generator (3.90 s of 5.10 s).\n"
                       "A batch takes 5.10 ms to generate on 1 worker and 1.20 ms to compute "
                       "(6,275 samples/s).\n"
                       "What to change:\n"))
      << verdict;
  EXPECT_TRUE(contains(verdict, "- workers 1 → 5: 5.10 ms → 1.2")) << verdict;
  EXPECT_TRUE(contains(verdict, "times as fast; beyond 5 the step is the limit.")) << verdict;
  EXPECT_TRUE(contains(verdict, "- a cheaper batch: 5.10 ms → 1.2")) << verdict;
  EXPECT_TRUE(contains(verdict, "it computes")) << verdict;
  EXPECT_TRUE(contains(slow.headline(), "would make it 4.2")) << slow.headline();
}

TEST(Verdict, tells_of_uploads_and_their_speed) {
  const std::string verdict = device_report(3.0, 0.0, 1.0, 4.0).verdict();
  EXPECT_TRUE(contains(verdict,
                       "upload-bound: the step computed 25.0% of the time and waited 0.0% "
                       "of it for the generator, 75.0% for uploads"))
      << verdict;
  EXPECT_TRUE(contains(verdict, "4.00 ms to upload (250 MB/s)")) << verdict;
}

TEST(Verdict, short_times_are_told_in_microseconds) {
  EXPECT_TRUE(contains(report(0.0001, 0.0099, 0.0008).verdict(),
                       "0.80 µs to generate on 1 worker and 9.90 µs to compute"));
}

// ---- Advice ----
TEST(Advice, as_many_workers_as_the_step_can_use) {
  FeedReport slow = report(2.0, 1.0, 3.0);  // 3 ms against 1 ms
  slow.is_pure = true;
  const Advice advice = advice_of(slow, "workers 1 → 3");
  EXPECT_NEAR(advice.seconds_per_batch, 3e-3, 1e-5);
  EXPECT_NEAR(advice.predicted, 1e-3, 5e-5);
}

TEST(Advice, says_what_several_workers_need_where_the_source_has_state) {
  EXPECT_TRUE(contains(advice_of(report(2.0, 1.0, 3.0), "workers").reason, "pure(f)"));
}

TEST(Advice, more_workers_come_with_the_ring_that_they_need) {
  FeedReport slow = report(43.0, 1.0, 44.0);  // 44 ms against 1 ms
  slow.is_pure = true;
  const Advice advice = advice_of(slow, "workers 1 → 43 and max_queue_size 10 → 86");
  EXPECT_NEAR(advice.predicted, 1e-3, 5e-5);
  EXPECT_TRUE(contains(advice.reason, "beyond 43 the step is the limit"));
}

TEST(Advice, says_where_even_the_most_workers_do_not_feed_the_step) {
  FeedReport slow = report(30.0, 0.024, 30.0);
  slow.is_pure = true;
  const Advice advice = advice_of(slow, "workers 1 → 6");
  EXPECT_TRUE(contains(advice.reason, "even then the step waits for the generator"));
}

TEST(Advice, names_the_condition_of_each_kind_of_source_in_the_verdict_and_in_the_line) {
  FeedReport slow = report(2.0, 1.0, 3.0);
  const auto expect = [&](SourceKind kind, const char* condition) {
    slow.source = kind;
    EXPECT_TRUE(contains(advice_of(slow, "workers").condition, condition));
    EXPECT_TRUE(contains(slow.headline(), std::string("(needs ") + condition)) << slow.headline();
    EXPECT_TRUE(contains(slow.verdict(), std::string("Needs ") + condition)) << slow.verdict();
  };
  expect(SourceKind::function, "pure(f)");
  expect(SourceKind::custom, "its class's pure() to return true");
  expect(SourceKind::coroutine, "a Sequence, or a function that makes any batch from its number");
  expect(SourceKind::dataset, "elements that can be asked for by number (is_random_access())");
  slow.is_pure = true;
  EXPECT_EQ(advice_of(slow, "workers").condition, "");
  EXPECT_EQ(slow.headline().find("needs"), std::string::npos);
}

TEST(Advice, a_Dataset_is_not_told_to_be_one) {
  FeedReport slow = report(2.0, 1.0, 3.0);
  slow.source = SourceKind::dataset;
  EXPECT_EQ(slow.verdict().find("a Dataset"), std::string::npos) << slow.verdict();
  EXPECT_TRUE(contains(slow.verdict(), "cache() the data"));
}

TEST(Advice, workers_that_AUTOTUNE_may_still_take_are_not_advised) {
  FeedReport slow = report(2.0, 1.0, 3.0);
  slow.is_pure = slow.tuned = slow.tuned_workers = true;
  slow.max_workers = 64;
  for (const Advice& advice : slow.advice()) EXPECT_FALSE(advice.change.starts_with("workers"));
  slow.max_workers = 1;
  EXPECT_GT(advice_of(slow, "workers 1 → 3").speedup(), 2.0);
  EXPECT_TRUE(contains(slow.verdict(), "the most that max_workers allows"));
  slow.limited_by_memory = true;
  EXPECT_TRUE(contains(slow.verdict(), "the most that its memory has slots for"));
}

TEST(Advice, uint8_fields_and_numbers_in_bulk_only_where_they_would_change_something) {
  FeedReport slow = report(2.0, 1.0, 3.0);
  slow.generated_cpu_share = 1.0;
  slow.bytes = 4'000'000'000;  // 4 MB a batch, of 3 ms
  EXPECT_TRUE(contains(slow.verdict(), "write uint8 fields"));
  EXPECT_EQ(slow.verdict().find("in bulk"), std::string::npos);
  slow.float_share = 0.0;
  slow.drawn_one_by_one = 1'000'000'000;
  EXPECT_TRUE(contains(slow.verdict(), "draw random numbers in bulk"));
  EXPECT_EQ(slow.verdict().find("uint8"), std::string::npos) << slow.verdict();
}

TEST(Advice, fewer_bytes_only_of_what_is_float) {
  FeedReport slow = device_report(3.0, 0.0, 1.0, 4.0);
  slow.float_share = 0.5;
  EXPECT_NEAR(advice_of(slow, "uint8 fields").predicted, 2.5e-3, 1e-4);
  EXPECT_NEAR(advice_of(slow, "bfloat16 fields").predicted, 3e-3, 1e-4);
  slow.float_share = 0.0;
  ASSERT_EQ(slow.advice().size(), 1U);
  EXPECT_TRUE(slow.advice()[0].change.starts_with("cache_on_device()"));
}

TEST(Advice, a_generator_that_waits_for_a_core_computes) {
  FeedReport slow = report(2.0, 1.0, 3.0);
  slow.generated_cpu_share = 0.3;
  EXPECT_TRUE(contains(slow.verdict(), "it mostly waits"));
  slow.generated_core_share = 0.9;
  EXPECT_TRUE(contains(slow.verdict(), "it computes"));
}

TEST(Advice, what_a_step_takes_is_told_from_steps_that_followed_another) {
  FeedReport cold = report(10.0, 8.0, 18.0);  // 8 ms after a wait of 10
  cold.is_pure = true;
  cold.step_in_a_row.add(6 * kMillisecond, 60);
  EXPECT_NEAR(advice_of(cold, "workers 1 → 3").predicted, 6e-3, 1e-4);
}

TEST(Advice, no_more_workers_than_the_cores_can_serve) {
  FeedReport slow = report(0.5, 1.0, 1.4);
  slow.is_pure = true;
  slow.cores = 2.0;
  slow.cpu = 2.9;  // both cores are busy nearly all the time
  slow.generated_cpu_share = 1.0;
  for (const Advice& advice : slow.advice()) {
    EXPECT_FALSE(advice.change.starts_with("workers")) << advice.change << ": " << advice.predicted;
  }
  EXPECT_GT(advice_of(slow, "a cheaper batch").speedup(), 1.2);
}

TEST(Advice, a_deeper_queue_where_batches_come_late_now_and_then) {
  FeedReport late = report(0.0, 1.0, 0.0);
  late.generate = {};
  late.generate.add(kMillisecond / 5, 950);
  late.generate.add(15 * kMillisecond, 50);  // 0.94 ms on average
  late.generated = late.generate.total();
  late.queue_size = 2;
  late.waited_for_generator = 0.6;
  late.wall = 1.6;
  const Advice advice = advice_of(late, "max_queue_size 2 → ");
  EXPECT_GT(advice.speedup(), 1.1);
  EXPECT_LT(advice.speedup(), 1.6);
}

TEST(Advice, floats_instead_of_doubles_where_the_conversion_costs) {
  FeedReport converting = report(2.0, 1.0, 3.0);
  converting.convert.add(2 * kMillisecond, 1000);
  const Advice advice = advice_of(converting, "fill float fields instead of casting double");
  EXPECT_NEAR(advice.predicted, 1e-3, 1e-4);
  EXPECT_TRUE(contains(advice.reason, "66.7%"));
}

TEST(Advice, fewer_bytes_where_uploads_are_slow) {
  const FeedReport slow = device_report(3.0, 0.0, 1.0, 4.0);
  EXPECT_NEAR(advice_of(slow, "uint8 fields").predicted, 1e-3, 1e-4);
  EXPECT_NEAR(advice_of(slow, "bfloat16 fields").predicted, 2e-3, 1e-4);
}

TEST(Advice, larger_batches_where_launching_takes_longer_than_the_step) {
  EXPECT_NEAR(advice_of(device_report(0.0, 3.0, 1.0, 0.1), "a batch_size").predicted, 1e-3, 1e-4);
}

TEST(Advice, larger_batches_where_so_little_is_uploaded_that_beginning_to_takes_longest) {
  FeedReport tiny = device_report(3.0, 0.0, 1.0, 4.0);
  tiny.bytes = 256'000;
  EXPECT_NEAR(advice_of(tiny, "a batch_size").predicted, 1e-3, 1e-4);
}

TEST(Advice, a_generator_where_batches_are_handed_over_by_hand) {
  FeedReport by_hand = report(1.0, 1.0, 1.0);
  by_hand.by_hand = true;
  EXPECT_NEAR(advice_of(by_hand, "fit_generator instead of").predicted, 1e-3, 1e-5);
  EXPECT_TRUE(contains(by_hand.verdict(), "50.0% of it for its caller"));
}

TEST(Advice, none_where_only_a_faster_step_would_help) {
  EXPECT_TRUE(report(0.01, 1.0, 0.5).advice().empty());
}

// Batches that come in time, and cost so many seconds of CPU time, beside a step of ten seconds on
// so many threads.
FeedReport beside_the_step(double generated, double threads) {
  FeedReport result = report(0.0, 10.0, generated);
  result.cpu = 10.0 + generated;
  result.cores = 2.0;
  result.step_cores = threads;
  result.generated_cpu_share = 1.0;
  return result;
}

TEST(Advice, a_cheaper_batch_where_it_is_made_on_the_cores_of_a_step_that_does_not_wait) {
  const FeedReport shared = beside_the_step(8.0, 2.0);
  EXPECT_EQ(shared.classify(), Class::compute_bound);
  EXPECT_NEAR(advice_of(shared, "a cheaper batch").predicted, 5e-3, 1e-5);
  EXPECT_TRUE(contains(shared.verdict(), "are made on the step's own cores")) << shared.verdict();
}

TEST(Advice, a_cheaper_batch_gives_the_step_no_more_than_it_took) {
  EXPECT_NEAR(advice_of(beside_the_step(2.0, 2.0), "a cheaper batch").predicted, 8e-3, 1e-5);
}

TEST(Advice, none_where_the_generator_costs_little_or_has_a_core_to_itself) {
  EXPECT_TRUE(beside_the_step(0.3, 2.0).advice().empty());
  EXPECT_TRUE(beside_the_step(9.0, 1.0).advice().empty());
  FeedReport on_a_device = beside_the_step(8.0, 0.0);
  on_a_device.device_slots = 3;
  EXPECT_TRUE(on_a_device.advice().empty());
}

TEST(Verdict, of_a_fit_of_one_batch_advises_no_queue) {
  FeedReport one = report(2.0, 1.0, 2.0);
  one.queue_size = 0;
  for (const Advice& advice : one.advice()) EXPECT_FALSE(contains(advice.change, "queue_size 0"));
}

TEST(Verdict, says_of_a_generator_that_it_was_compiled_without_optimisation) {
  FeedReport slow = report(2.0, 1.0, 3.0);
  EXPECT_EQ(slow.verdict().find("optimisation"), std::string::npos);
  slow.is_optimized = false;
  EXPECT_TRUE(
      contains(slow.verdict(), "This program's generator was compiled without optimisation"));
}

// ---- The model behind it ----
feed::StageDurations stages(std::int64_t generate, std::int64_t upload, std::int64_t step) {
  feed::StageDurations durations;
  durations.generate.add(generate, 100);
  if (upload > 0) durations.upload.add(upload, 100);
  durations.step.add(step, 100);
  return durations;
}

TEST(ThroughputModel, the_slowest_stage_sets_the_pace) {
  const auto takes = [](std::int64_t generate, std::int64_t upload, std::int64_t step,
                        int workers) {
    return 1e3 * seconds_per_batch(stages(generate, upload, step),
                                   {.workers = workers, .ring_slots = 11, .device_slots = 3});
  };
  EXPECT_NEAR(takes(3 * kMillisecond, kMillisecond, kMillisecond, 1), 3.0, 0.1);
  EXPECT_NEAR(takes(3 * kMillisecond, kMillisecond, kMillisecond, 2), 1.5, 0.05);
  EXPECT_NEAR(takes(3 * kMillisecond, kMillisecond, kMillisecond, 8), 1.0, 0.05);
  EXPECT_NEAR(takes(kMillisecond, 4 * kMillisecond, kMillisecond, 1), 4.0, 0.1);
  EXPECT_NEAR(takes(kMillisecond, kMillisecond, 4 * kMillisecond, 1), 4.0, 0.1);
}

TEST(ThroughputModel, a_ring_of_one_slot_overlaps_nothing) {
  EXPECT_NEAR(1e3 * seconds_per_batch(stages(2 * kMillisecond, 0, 3 * kMillisecond),
                                      {.workers = 4, .ring_slots = 1}),
              5.0, 0.2);
}

TEST(ThroughputModel, is_no_faster_than_the_cores) {
  EXPECT_NEAR(
      seconds_per_batch(stages(kMillisecond, 0, kMillisecond), {.cpu_seconds = 6e-3, .cores = 2.0}),
      3e-3, 1e-9);
}

TEST(ThroughputModel, workers_wait_for_the_cores_that_others_use) {
  using feed::seconds_per_call;
  EXPECT_DOUBLE_EQ(seconds_per_call(2.0, 0.0, 2, 2.0), 2.0);
  EXPECT_DOUBLE_EQ(seconds_per_call(2.0, 0.0, 6, 2.0), 6.0);
  EXPECT_DOUBLE_EQ(seconds_per_call(0.0, 3.0, 64, 2.0), 3.0);
  // Of four, 1.7 compute on two cores on average where a call computes as long as it waits.
  EXPECT_NEAR(seconds_per_call(3.0, 3.0, 4, 2.0), 4.0 * 3.0 / 1.7, 1e-9);
  EXPECT_NEAR(seconds_per_call(1e-6, 1.0, 1000, 64.0), 1.0, 1e-3);
}

TEST(ThroughputModel, the_fewest_workers_are_found_though_more_are_worse) {
  const auto takes = [](int workers) { return workers <= 13 ? 13.0 / workers : 0.1 * workers; };
  EXPECT_EQ(feed::fewest_workers(1, 64, 1.01, takes), 13);
  EXPECT_EQ(feed::fewest_workers(1, 64, 2.0, takes), 7);
  EXPECT_EQ(feed::fewest_workers(20, 64, 1.01, takes), 20);
  EXPECT_EQ(feed::fewest_workers(1, 4, 1.01, takes), 4);
}

// ---- Sums and JSON ----
TEST(FeedReport, adds_up_over_epochs) {
  FeedReport first = report(1.0, 2.0, 3.0);
  first.other = 0.5;
  first.bytes = 100;
  FeedReport second = report(10.0, 20.0, 30.0);
  second.other = 5.0;
  second.bytes = 1000;
  second.workers = 3;
  first += second;
  EXPECT_EQ(first.wall, 33.0);
  EXPECT_EQ(first.waited_for_generator, 11.0);
  EXPECT_EQ(first.computed, 22.0);
  EXPECT_EQ(first.other, 5.5);
  EXPECT_EQ(first.generated, 33.0);
  EXPECT_EQ(first.batches, 2000);
  EXPECT_EQ(first.samples, 64000);
  EXPECT_EQ(first.bytes, 1100U);
  EXPECT_EQ(first.workers, 3);
  EXPECT_EQ(first.generate.count(), 2000U);
}

TEST(FeedReport, as_json_has_shares_percentiles_and_advice) {
  FeedReport slow = report(2.0, 1.0, 3.0);
  slow.is_pure = true;
  const Config json = Config::from_json(slow.to_json());
  EXPECT_EQ(json["class"].string(), "generator-bound");
  EXPECT_EQ(json["waited_for_generator"].number(), 2.0);
  EXPECT_EQ(json["batches"].integer(), 1000);
  EXPECT_NEAR(json["stages"]["generate"]["p90"].number(), 3e-3, 4e-4);
  EXPECT_EQ(json["stages"]["upload"]["count"].integer(), 0);
  ASSERT_FALSE(json["advice"].list_items().empty());
  EXPECT_GT(json["advice"].list_items()[0]["speedup"].number(), 2.0);
}

}  // namespace
}  // namespace stoker

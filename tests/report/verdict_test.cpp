#include <gtest/gtest.h>

#include "stoker/report.h"
#include "support/contains.h"

namespace stoker {
namespace {

using Class = FeedReport::Class;
using test::contains;

FeedReport report(double waited, double computed, double generated) {
  FeedReport result;
  result.waited_for_generator = waited;
  result.computed = computed;
  result.wall = waited + computed;
  result.generated = generated;
  result.batches = 1000;
  result.samples = 32000;
  return result;
}

TEST(Verdict, classes_change_at_5_and_at_20_percent_of_waiting) {
  EXPECT_EQ(report(0.0, 1.0, 0.5).classify(), Class::compute_bound);
  EXPECT_EQ(report(4.9, 95.1, 1.0).classify(), Class::compute_bound);
  EXPECT_EQ(report(5.1, 94.9, 1.0).classify(), Class::balanced);
  EXPECT_EQ(report(19.9, 80.1, 1.0).classify(), Class::balanced);
  EXPECT_EQ(report(20.1, 79.9, 1.0).classify(), Class::generator_bound);
  EXPECT_EQ(report(1.0, 0.0, 1.0).classify(), Class::generator_bound);
}

TEST(Verdict, nothing_trained_is_nothing_to_judge) {
  EXPECT_EQ(FeedReport{}.classify(), Class::nothing);
  EXPECT_TRUE(contains(FeedReport{}.verdict(), "no batch was trained on"));
}

TEST(Verdict, other_work_does_not_count_as_computing) {
  FeedReport mostly_validation = report(1.0, 1.0, 1.0);
  mostly_validation.other = 100.0;
  mostly_validation.wall += 100.0;
  EXPECT_EQ(mostly_validation.classify(), Class::generator_bound);
  EXPECT_TRUE(contains(mostly_validation.verdict(), "took another 100 s"));
}

TEST(Verdict, tells_of_a_fast_generator) {
  EXPECT_EQ(report(0.096, 12.204, 2.5).verdict(),
            "compute-bound: the step computed 99.2% of the time and waited 0.8% of it for the "
            "generator (96.0 ms of 12.3 s).\n"
            "A batch took 2.50 ms to generate and 12.2 ms to compute: the generator is fast enough "
            "(2,602 samples/s).\n"
            "Only a faster step shortens this: a larger batch_size, a smaller model, or a faster "
            "device. A faster generator would save at most 0.8% of the run.\n");
}

TEST(Verdict, tells_of_a_slow_generator_and_what_a_faster_one_brings) {
  EXPECT_EQ(report(3.9, 1.2, 5.1).verdict(),
            "generator-bound: the step computed 23.5% of the time and waited 76.5% of it for the "
            "generator (3.90 s of 5.10 s).\n"
            "A batch took 5.10 ms to generate and 1.20 ms to compute: the generator delivers 196 "
            "batches/s, the step could take 833.\n"
            "Make a batch cheaper: compute once what every batch needs, draw random numbers in "
            "bulk (batch.random.fill_uniform), fill float or uint8 fields directly instead of "
            "casting double (uint8 with a Rescaling layer is a quarter of the bytes). At best the "
            "run then takes 1.20 s instead of 5.10 s, 4.25 times as fast (now 6,275 samples/s).\n");
}

TEST(Verdict, tells_of_a_generator_that_is_late_now_and_then) {
  const std::string verdict = report(0.1, 0.9, 0.5).verdict();
  EXPECT_TRUE(contains(verdict, "balanced: "));
  EXPECT_TRUE(contains(verdict, "on average the generator keeps up"));
  EXPECT_TRUE(contains(verdict, "max_queue_size"));
}

TEST(Verdict, short_times_are_told_in_microseconds) {
  EXPECT_TRUE(contains(report(0.0001, 0.0099, 0.0008).verdict(),
                       "A batch took 0.80 µs to generate and 9.90 µs to compute"));
}

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
}

}  // namespace
}  // namespace stoker

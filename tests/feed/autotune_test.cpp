// What AUTOTUNE decides on measurements that are made up.
#include "feed/tuning/autotune.h"

#include <gtest/gtest.h>

namespace stoker::feed {
namespace {

constexpr std::int64_t kMs = 1'000'000;

// A window of ten batches; milliseconds of each batch.
struct Window {
  std::int64_t took, generate, step, cpu, waited;
};

class Measurements {
 public:
  Autotune::Measured add(const Window& window) {
    constexpr int kBatches = 10;
    all_.batches += kBatches;
    all_.training_ns += kBatches * kMs * window.took;
    all_.cpu_ns += kBatches * kMs * window.cpu;
    all_.waited_ns += kBatches * kMs * window.waited;
    for (int i = 0; i < kBatches; ++i) {
      all_.durations.generate.add(kMs * window.generate);
      all_.durations.step.add(kMs * window.step);
    }
    return all_;
  }

 private:
  Autotune::Measured all_;
};

Autotune on_shared_cores(int workers = 1) {
  return Autotune({.max_workers = 8, .max_slots = 11, .tune_workers = true, .cores = 2.0},
                  {.workers = workers, .slots = 11}, {});
}

TEST(Autotune, a_generator_that_waits_gets_the_workers_that_feed_the_step_at_once) {
  Autotune autotune = on_shared_cores();
  Measurements measurements;
  const auto choice = autotune.decide(
      measurements.add({.took = 15, .generate = 15, .step = 5, .cpu = 8, .waited = 10}));
  ASSERT_TRUE(choice.has_value());
  EXPECT_EQ(choice->workers, 3);
}

TEST(Autotune, a_step_that_is_fed_gets_no_more_workers_on_its_cores_however_long_batches_take) {
  Autotune autotune = on_shared_cores();
  Measurements measurements;
  for (int window = 0; window < 5; ++window) {
    EXPECT_FALSE(autotune
                     .decide(measurements.add(
                         {.took = 8, .generate = 12, .step = 8, .cpu = 15, .waited = 0}))
                     .has_value());
  }
  EXPECT_EQ(autotune.choice().workers, 1);
}

TEST(Autotune, busy_cores_are_not_judged_by_how_the_ring_fills) {
  Autotune autotune = on_shared_cores();
  Measurements measurements;
  EXPECT_FALSE(
      autotune
          .decide(measurements.add({.took = 15, .generate = 15, .step = 6, .cpu = 25, .waited = 9}))
          .has_value());
}

TEST(Autotune, workers_that_bring_nothing_are_taken_back_and_not_tried_again_at_once) {
  Autotune autotune = on_shared_cores();
  Measurements measurements;
  const Window starving{.took = 10, .generate = 10, .step = 6, .cpu = 16, .waited = 3};
  autotune.decide(measurements.add(starving));
  auto choice = autotune.decide(measurements.add(starving));
  ASSERT_TRUE(choice.has_value());
  EXPECT_GT(choice->workers, 1);
  choice = autotune.decide(measurements.add(starving));
  ASSERT_TRUE(choice.has_value());
  EXPECT_EQ(choice->workers, 1);
  for (int window = 0; window < 5; ++window) {
    EXPECT_FALSE(autotune.decide(measurements.add(starving)).has_value());
  }
}

TEST(Autotune, cores_that_are_busy_get_no_more_workers_though_the_step_waits) {
  Autotune autotune = on_shared_cores();
  Measurements measurements;
  for (int window = 0; window < 5; ++window) {
    EXPECT_FALSE(autotune
                     .decide(measurements.add(
                         {.took = 12, .generate = 12, .step = 8, .cpu = 21, .waited = 2}))
                     .has_value());
  }
}

TEST(Autotune, what_the_process_computed_before_is_not_held_against_the_cores) {
  constexpr std::int64_t kHour = 3'600'000'000'000;
  Autotune autotune({.max_workers = 8, .max_slots = 11, .tune_workers = true, .cores = 2.0},
                    {.workers = 1, .slots = 11}, {.cpu_ns = kHour});
  Measurements measurements;
  Autotune::Measured measured =
      measurements.add({.took = 15, .generate = 15, .step = 5, .cpu = 8, .waited = 10});
  measured.cpu_ns += kHour;
  const auto choice = autotune.decide(measured);
  ASSERT_TRUE(choice.has_value());
  EXPECT_EQ(choice->workers, 3);
}

TEST(Autotune, workers_that_bring_something_stay) {
  Autotune autotune = on_shared_cores();
  Measurements measurements;
  const Window alone{.took = 14, .generate = 14, .step = 8, .cpu = 22, .waited = 5};
  autotune.decide(measurements.add(alone));
  const auto choice = autotune.decide(measurements.add(alone));
  ASSERT_TRUE(choice.has_value());
  autotune.decide(
      measurements.add({.took = 12, .generate = 22, .step = 11, .cpu = 22, .waited = 0}));
  EXPECT_EQ(autotune.choice(), *choice);
}

TEST(Autotune, a_device_of_its_own_is_given_the_fewest_workers_that_keep_it_busy) {
  Autotune autotune(
      {.max_workers = 8, .max_slots = 11, .tune_workers = true, .device_slots = 3, .cores = 8.0},
      {.workers = 8, .slots = 11}, {});
  Measurements measurements;
  const auto choice = autotune.decide(
      measurements.add({.took = 5, .generate = 9, .step = 5, .cpu = 9, .waited = 0}));
  ASSERT_TRUE(choice.has_value());
  EXPECT_EQ(choice->workers, 2);
}

TEST(Autotune, workers_beyond_the_queue_get_slots_of_their_own) {
  Autotune autotune({.max_workers = 64, .max_slots = 65, .tune_workers = true, .cores = 2.0},
                    {.workers = 1, .slots = 11}, {});
  Measurements measurements;
  const auto choice = autotune.decide(
      measurements.add({.took = 31, .generate = 30, .step = 1, .cpu = 1, .waited = 30}));
  ASSERT_TRUE(choice.has_value());
  EXPECT_NEAR(choice->workers, 31, 2);
  EXPECT_EQ(choice->slots, choice->workers + 1);
}

TEST(Autotune, a_generator_that_computes_gets_no_more_workers_than_there_are_cores) {
  Autotune autotune(
      {.max_workers = 64, .max_slots = 68, .tune_workers = true, .device_slots = 3, .cores = 4.0},
      {.workers = 8, .slots = 12}, {});
  Measurements measurements;
  // Eight calls at a time on four cores: each takes twice as long as it computes.
  Autotune::Measured measured =
      measurements.add({.took = 5, .generate = 40, .step = 1, .cpu = 20, .waited = 4});
  measured.cpu_share = 0.5;
  measured.core_share = 1.0;
  const auto choice = autotune.decide(measured);
  ASSERT_TRUE(choice.has_value());
  EXPECT_EQ(choice->workers, 4);
}

TEST(Autotune, decides_less_often_while_nothing_changes) {
  Autotune autotune = on_shared_cores();
  Measurements measurements;
  const Window fed{.took = 20, .generate = 12, .step = 20, .cpu = 30, .waited = 0};
  const auto due_after = [&](std::int64_t ms) {
    const Autotune::Measured& now = measurements.add({});
    return autotune.is_due(now.batches + 100, now.training_ns + kMs * ms);
  };
  autotune.decide(measurements.add(fed));
  EXPECT_TRUE(due_after(200));
  for (int window = 0; window < 10; ++window) autotune.decide(measurements.add(fed));
  EXPECT_FALSE(due_after(799));
  EXPECT_TRUE(due_after(800));
}

}  // namespace
}  // namespace stoker::feed

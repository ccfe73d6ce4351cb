// AUTOTUNE at work: a pipeline measures, and sets the workers and the queue of its feed.
#include <gtest/gtest.h>

#include <memory>
#include <span>

#include "device/device.h"
#include "feed/upload/pipeline.h"
#include "stoker/generator.h"

namespace stoker::feed {
namespace {

std::shared_ptr<Source> of_free_batches() {
  return generator<float>({.x = {2, 3}}, pure([](BatchContext&, std::span<float>) {})).source();
}

// The simulated device takes the time of a step for it.
struct Step final : device::Work {
  void run() override {}
};

// A step of 1 ms on a device of its own needs one of the workers that it begins with.
TEST(Tuner, leaves_a_device_the_fewest_workers_and_slots_that_keep_it_busy) {
  const auto device = device::make_simulated_device({.step_seconds = 1e-3});
  const auto compute = device->make_stream();
  Pipeline pipeline(
      of_free_batches(),
      {.epochs = 100, .steps_per_epoch = 100, .max_queue_size = AUTOTUNE, .workers = AUTOTUNE},
      *device, *compute);
  Step step;
  const int workers = pipeline.feed().workers();
  const int queue_size = pipeline.feed().queue_size();
  ASSERT_GT(workers, 1);
  for (int epoch = 0; epoch < 100 && pipeline.feed().workers() > 1; ++epoch) {
    while (const auto batch = pipeline.next()) {
      compute->launch(step);
      pipeline.consumed(*batch);
    }
  }
  EXPECT_EQ(pipeline.feed().workers(), 1);
  EXPECT_LT(pipeline.feed().queue_size(), queue_size);
  const FeedReport report = pipeline.take_report();
  EXPECT_TRUE(report.tuned);
  EXPECT_TRUE(report.tuned_workers);
}

TEST(Tuner, leaves_alone_what_is_not_AUTOTUNE) {
  const auto device = device::make_simulated_device({.step_seconds = 1e-4});
  const auto compute = device->make_stream();
  Pipeline pipeline(of_free_batches(), {.steps_per_epoch = 500, .max_queue_size = 20, .workers = 3},
                    *device, *compute);
  while (const auto batch = pipeline.next()) pipeline.consumed(*batch);
  EXPECT_EQ(pipeline.feed().workers(), 3);
  EXPECT_EQ(pipeline.feed().queue_size(), 20);
  const FeedReport report = pipeline.take_report();
  EXPECT_FALSE(report.tuned);
  EXPECT_FALSE(report.tuned_workers);
}

}  // namespace
}  // namespace stoker::feed

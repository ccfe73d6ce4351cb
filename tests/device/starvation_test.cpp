// A device that waits is told of while training goes on, with the stage that it waits for.
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <string>

namespace stoker {
namespace {

constexpr std::int64_t kColumns = 2048;
constexpr std::int64_t kRows = 8;
constexpr double kBytes = 4.0 * kRows * (kColumns + 1);

struct Outcome {
  std::string warnings;
  FeedReport feed;
};

Outcome train(const SimulatedOptions& options, std::int64_t steps) {
  Sequential model({Input({kColumns}), Dense(1)},
                   {.threads = 1, .device = Device::simulated(options)});
  model.compile({.optimizer = SGD({.learning_rate = 0.0}), .loss = "mse"});
  auto batches = generator<float, float>({.x = {kRows, kColumns}, .y = {kRows, 1}},
                                         [](BatchContext&, std::span<float>, std::span<float>) {});
  testing::internal::CaptureStderr();
  const History history = model.fit(batches, {.steps_per_epoch = steps, .verbose = 0});
  return {testing::internal::GetCapturedStderr(), history.feed};
}

TEST(Starvation, uploads_that_are_waited_for_are_named) {
  const Outcome outcome = train({.upload_bytes_per_second = kBytes / 0.05}, 50);
  EXPECT_NE(outcome.warnings.find("the device has waited"), std::string::npos) << outcome.warnings;
  EXPECT_NE(outcome.warnings.find("for uploads"), std::string::npos) << outcome.warnings;
  EXPECT_EQ(outcome.feed.classify(), FeedReport::Class::upload_bound);
}

TEST(Starvation, launches_that_are_waited_for_are_named_and_larger_batches_advised) {
  const Outcome outcome = train({.launch_seconds = 0.05}, 30);
  EXPECT_NE(outcome.warnings.find("for launches"), std::string::npos) << outcome.warnings;
  EXPECT_EQ(outcome.feed.classify(), FeedReport::Class::launch_bound);
  ASSERT_FALSE(outcome.feed.advice().empty());
  EXPECT_NE(outcome.feed.advice()[0].change.find("batch_size"), std::string::npos);
}

// All batches are issued before the first has been uploaded.
TEST(Starvation, is_told_of_in_an_epoch_that_the_ring_holds_whole) {
  const Outcome outcome = train({.upload_bytes_per_second = kBytes / 0.2}, 7);
  EXPECT_NE(outcome.warnings.find("for uploads"), std::string::npos) << outcome.warnings;
}

TEST(Starvation, comes_once_and_not_at_all_where_the_device_is_busy) {
  const Outcome slow = train({.upload_bytes_per_second = kBytes / 0.05}, 50);
  EXPECT_NE(slow.warnings.find("waited"), std::string::npos);
  EXPECT_EQ(slow.warnings.find("waited"), slow.warnings.rfind("waited")) << slow.warnings;
  EXPECT_EQ(train({.step_seconds = 0.05}, 30).warnings, "");
}

}  // namespace
}  // namespace stoker

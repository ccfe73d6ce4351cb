// Generators that hang, write NaNs, or are slow; memory that is refused.
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <limits>
#include <memory>
#include <semaphore>
#include <string>
#include <vector>

#include "feed/feed.h"
#include "feed/nan_scan.h"
#include "feed/ring.h"
#include "stoker/error.h"
#include "stoker/generator.h"
#include "support/contains.h"
#include "support/message.h"

namespace stoker::feed {
namespace {

using test::contains;
using test::message_of;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

device::Device& cpu() {
  static const std::shared_ptr<device::Device> device = device::make_cpu_device();
  return *device;
}

// Batches numbered from 1 in their first element; number 4 has a NaN in row 1.
std::shared_ptr<Source> with_a_nan() {
  return generator<float>({.x = {2, 3}},
                          [](BatchContext& batch, std::span<float> x) {
                            std::ranges::fill(x, static_cast<float>(batch.index + 1));
                            if (batch.index == 3) x[4] = kNan;
                          })
      .source();
}

struct Outcome {
  std::vector<float> batches;
  std::vector<std::string> warnings;
  std::int64_t nan_batches = 0;
};

Outcome run(const std::shared_ptr<Source>& source, NanPolicy policy) {
  Outcome outcome;
  Feed feed(source,
            {.steps_per_epoch = 6,
             .nan_policy = policy,
             .warn = [&](const std::string& text) { outcome.warnings.push_back(text); }},
            cpu());
  while (const auto batch = feed.next()) {
    outcome.batches.push_back(
        *reinterpret_cast<const float*>(batch->block + feed.layout().offsets[0]));
    feed.release(*batch);
  }
  outcome.nan_batches = feed.take_report().nan_batches;
  return outcome;
}

TEST(NanPolicy, stop_names_batch_field_row_and_element) {
  EXPECT_TRUE(contains(message_of<DataError>([] { run(with_a_nan(), NanPolicy::stop); }),
                       "batch 4 (epoch 1, batch 4 of it): field x is NaN at row 1, element 1"));
}

TEST(NanPolicy, skip_leaves_the_batch_out_and_warns) {
  const Outcome outcome = run(with_a_nan(), NanPolicy::skip);
  EXPECT_EQ(outcome.batches, (std::vector<float>{1, 2, 3, 5, 6}));
  EXPECT_EQ(outcome.nan_batches, 1);
  ASSERT_EQ(outcome.warnings.size(), 1U);
  EXPECT_TRUE(contains(outcome.warnings[0], "batch 4 (epoch 1, batch 4 of it) holds a NaN"));
}

TEST(NanPolicy, warn_uses_the_batch_and_says_so_once) {
  const Outcome outcome = run(with_a_nan(), NanPolicy::warn);
  EXPECT_EQ(outcome.batches.size(), 6U);
  EXPECT_EQ(outcome.warnings.size(), 1U);
}

TEST(NanPolicy, allow_does_not_look) {
  const Outcome outcome = run(with_a_nan(), NanPolicy::allow);
  EXPECT_EQ(outcome.batches.size(), 6U);
  EXPECT_TRUE(outcome.warnings.empty());
  EXPECT_EQ(outcome.nan_batches, 0);
}

TEST(NanPolicy, rows_that_were_not_filled_are_not_looked_at) {
  auto source = generator<float>({.x = {4, 3}}, [](BatchContext& batch, std::span<float> x) {
    std::ranges::fill(x, kNan);
    std::ranges::fill(x.first(6), 1.0f);
    return batch.index == 0 ? 2 : 0;
  });
  Feed feed(source.source(), {}, cpu());
  const auto batch = feed.next();
  ASSERT_TRUE(batch);
  EXPECT_EQ(batch->rows, 2);
  feed.release(*batch);
}

TEST(NanScan, finds_the_first_one_wherever_it_is) {
  for (const std::int64_t size : {1, 5, 255, 256, 257, 1000}) {
    std::vector<float> values(static_cast<std::size_t>(size),
                              std::numeric_limits<float>::infinity());
    const auto* bytes = reinterpret_cast<const std::byte*>(values.data());
    EXPECT_FALSE(find_nan(bytes, DType::float32, size));
    for (const std::int64_t at : {size - 1, size / 2, std::int64_t{0}}) {
      values[static_cast<std::size_t>(at)] = -kNan;
      EXPECT_EQ(find_nan(bytes, DType::float32, size), at);
      EXPECT_EQ(find_nan(bytes, DType::float32, at), std::nullopt);
    }
    EXPECT_FALSE(find_nan(bytes, DType::int32, size));
  }
  const bfloat16 brain[] = {bfloat16(1.0f), bfloat16(kNan)};
  EXPECT_EQ(find_nan(reinterpret_cast<const std::byte*>(brain), DType::bfloat16, 2), 1);
  const float16 half[] = {float16(1e30f), float16(kNan)};  // infinity, NaN
  EXPECT_EQ(find_nan(reinterpret_cast<const std::byte*>(half), DType::float16, 2), 1);
}

// ---- Hanging ----
TEST(Timeout, names_the_batch_and_the_worker_and_leaves_the_call_behind) {
  auto release = std::make_shared<std::promise<void>>();
  auto returned = std::make_shared<std::promise<void>>();
  const std::shared_future<void> gate = release->get_future().share();
  auto source =
      generator<float>({.x = {2, 3}}, [gate, returned](BatchContext& batch, std::span<float> x) {
        if (batch.index != 2) return;
        gate.wait();
        std::ranges::fill(x, 1.0f);  // the slot is still there
        returned->set_value();
      });
  std::atomic<int> looks{0};
  {
    // Gives up long after the timeout, so that a feed that forgets it is told of and does not hang.
    Feed feed(source.source(),
              {.steps_per_epoch = 5,
               .timeout_seconds = 1.0,
               .should_stop = [&] { return ++looks > 400; }},
              cpu());
    const auto take_all = [&] {
      while (const auto batch = feed.next()) feed.release(*batch);
    };
    const std::string message = message_of<DataError>(take_all);
    EXPECT_TRUE(contains(message, "batch 3 (epoch 1, batch 3 of it): the generator timed out"));
    EXPECT_TRUE(contains(message, "worker 0 has been at it for"));
    EXPECT_EQ(message_of<DataError>(take_all), message);
  }
  release->set_value();
  returned->get_future().wait();
}

TEST(Timeout, counts_the_wait_for_one_batch_and_not_for_all) {
  auto source = generator<float>({.x = {2, 3}}, [](BatchContext&, std::span<float>) {});
  Feed feed(source.source(), {.steps_per_epoch = 2000, .timeout_seconds = 5.0}, cpu());
  std::int64_t batches = 0;
  while (const auto batch = feed.next()) {
    feed.release(*batch);
    ++batches;
  }
  EXPECT_EQ(batches, 2000);
}

TEST(Waiting, is_given_up_when_somebody_asks_for_it) {
  std::promise<void> release;
  const std::shared_future<void> gate = release.get_future().share();
  auto source =
      generator<float>({.x = {2, 3}}, [gate](BatchContext&, std::span<float>) { gate.wait(); });
  std::atomic<int> asked{0};
  {
    Feed feed(source.source(), {.steps_per_epoch = 5, .should_stop = [&] { return ++asked > 1; }},
              cpu());
    EXPECT_FALSE(feed.next());
    EXPECT_FALSE(feed.next());
  }
  release.set_value();
}

TEST(Starvation, is_told_once_with_the_stage_and_the_batch) {
  std::counting_semaphore<> told(0);
  std::vector<std::string> warnings;
  auto source = generator<float>({.x = {2, 3}}, [&](BatchContext& batch, std::span<float>) {
    if (batch.index == 2) told.acquire();  // until the user has been told
  });
  Feed feed(source.source(),
            {.steps_per_epoch = 4,
             .warn =
                 [&](const std::string& text) {
                   warnings.push_back(text);
                   told.release();
                 }},
            cpu());
  while (const auto batch = feed.next()) feed.release(*batch);
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_TRUE(contains(warnings[0], "for the generator (batch 3 of this fit: worker 0 has been"));
}

// ---- Memory ----
// Refuses pinned memory from the n-th buffer on.
class Stingy final : public device::Device {
 public:
  explicit Stingy(int pinned) : pinned_(pinned) {}
  const std::string& name() const override { return base_->name(); }
  bool reads_host_memory() const override { return false; }
  std::unique_ptr<device::Buffer> allocate(std::size_t bytes) override {
    return base_->allocate(bytes);
  }
  std::unique_ptr<device::Buffer> allocate_pinned(std::size_t bytes) override {
    if (pinned_-- <= 0) throw device::OutOfMemory("no pinned memory left");
    return base_->allocate_pinned(bytes);
  }
  std::unique_ptr<device::Stream> make_stream() override { return base_->make_stream(); }
  std::unique_ptr<device::Event> make_event() override { return base_->make_event(); }
  std::unique_ptr<device::Event> make_timed_event() override { return base_->make_event(); }

 private:
  std::shared_ptr<device::Device> base_ = device::make_cpu_device();
  int pinned_;
};

TEST(PinnedMemory, where_little_of_it_is_to_be_had_the_ring_is_smaller) {
  const auto source = with_a_nan();
  const auto device = std::make_shared<Stingy>(6);
  Ring ring(SlotLayout(source->spec()), 11, *device);
  EXPECT_EQ(ring.size(), 3);
  EXPECT_TRUE(contains(ring.shortage(), "has 3 slots instead of 11 (no pinned memory left)"));
}

TEST(PinnedMemory, where_none_is_to_be_had_memory_is_pageable_and_all_is_told_once) {
  const auto device = std::make_shared<Stingy>(0);
  std::vector<std::string> warnings;
  auto source = generator<float>({.x = {2, 3}}, [](BatchContext& batch, std::span<float> x) {
    std::ranges::fill(x, static_cast<float>(batch.index));
  });
  Feed feed(
      source.source(),
      {.steps_per_epoch = 20, .warn = [&](const std::string& text) { warnings.push_back(text); }},
      *device);
  EXPECT_EQ(feed.ring_size(), 11);
  float expected = 0.0f;
  while (const auto batch = feed.next()) {
    EXPECT_EQ(*reinterpret_cast<const float*>(batch->block + feed.layout().offsets[0]), expected);
    expected += 1.0f;
    feed.release(*batch);
  }
  EXPECT_EQ(expected, 20.0f);
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_TRUE(contains(warnings[0], "pageable memory"));
}

}  // namespace
}  // namespace stoker::feed

// Generators that hang, write NaNs, or are slow; memory that is refused.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <functional>
#include <future>
#include <limits>
#include <memory>
#include <semaphore>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "feed/feed.h"
#include "feed/ring/nan_scan.h"
#include "feed/ring/ring.h"
#include "feed/tuning/starvation.h"
#include "feed/upload/pipeline.h"
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
  for (const std::int64_t size : {1, 5, 255, 256, 257, 511, 512, 513, 1000, 2049}) {
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

TEST(NanScan, finds_each_lane_of_halves_in_whole_blocks_and_behind_them) {
  constexpr std::int64_t kSize = 2100;
  std::vector<bfloat16> values(kSize, bfloat16(-std::numeric_limits<float>::infinity()));
  const auto* bytes = reinterpret_cast<const std::byte*>(values.data());
  for (std::int64_t at = 0; at < kSize; ++at) {
    values[static_cast<std::size_t>(at)] = bfloat16(kNan);
    EXPECT_EQ(find_nan(bytes, DType::bfloat16, kSize), at);
    EXPECT_EQ(find_nan(bytes, DType::bfloat16, at), std::nullopt);
    values[static_cast<std::size_t>(at)] = bfloat16(1.0f);
  }
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

// Batch 1 hangs until it is told to go on; others do what `others` says.
struct Hanging {
  std::promise<void> release;
  std::promise<void> begun;
  std::shared_future<void> gate = release.get_future().share();

  SourceHandle source(std::function<void(BatchContext&)> others) {
    return generator<float>({.x = {2, 3}},
                            pure([this, others](BatchContext& batch, std::span<float>) {
                              if (batch.index != 1) return others(batch);
                              begun.set_value();
                              std::shared_future<void>(gate).wait();
                            }));
  }
};

TEST(Timeout, ends_a_feed_whose_other_worker_failed) {
  Hanging hanging;
  const auto began = hanging.begun.get_future().share();
  const auto source = hanging.source([&](BatchContext& batch) {
    if (batch.index != 0) return;
    began.wait();
    throw std::runtime_error("no such file");
  });
  {
    Feed feed(source.source(), {.steps_per_epoch = 5, .workers = 2, .timeout_seconds = 0.2}, cpu());
    EXPECT_TRUE(contains(message_of<DataError>([&] { feed.next(); }), "no such file"));
  }
  hanging.release.set_value();  // not before the feed has gone
}

TEST(Timeout, ends_a_feed_that_its_consumer_gives_up) {
  Hanging hanging;
  const auto source = hanging.source([](BatchContext&) {});
  {
    Feed feed(source.source(), {.steps_per_epoch = 5, .workers = 2, .timeout_seconds = 0.2}, cpu());
    hanging.begun.get_future().wait();
  }
  hanging.release.set_value();
}

TEST(Timeout, that_no_clock_reaches_is_none) {
  for (const double seconds : {1e10, 1e300, HUGE_VAL}) {
    Feed feed(with_a_nan(), {.steps_per_epoch = 3, .timeout_seconds = seconds}, cpu());
    int batches = 0;
    while (const auto batch = feed.next()) {
      feed.release(*batch);
      ++batches;
    }
    EXPECT_EQ(batches, 3);
  }
}

TEST(Timeout, that_is_no_duration_is_refused) {
  for (const double seconds : {-1.0, -HUGE_VAL, static_cast<double>(kNan)}) {
    EXPECT_TRUE(contains(message_of<ValueError>([&] {
                           Feed(with_a_nan(), {.steps_per_epoch = 3, .timeout_seconds = seconds},
                                cpu());
                         }),
                         "expected generator_timeout of 0 or more, received"));
  }
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
  const auto compute = cpu().make_stream();
  Pipeline pipeline(source.source(),
                    {.steps_per_epoch = 4,
                     .warn =
                         [&](const std::string& text) {
                           warnings.push_back(text);
                           told.release();
                         }},
                    cpu(), *compute);
  while (const auto batch = pipeline.next()) pipeline.consumed(*batch);
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_TRUE(contains(warnings[0], "for the generator (batch 3 of this fit: worker 0 has been"));
}

// Each batch is made when the step asks for it, which so waits for every one of them.
TEST(Starvation, is_told_of_however_short_the_batches_are) {
  std::vector<std::string> warnings;
  std::counting_semaphore<> asked(0);
  std::atomic<bool> told{false};
  auto source = generator<float>({.x = {2, 3}}, [&](BatchContext&, std::span<float>) {
    asked.acquire();
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(2);
    while (std::chrono::steady_clock::now() < end) {
    }
  });
  const auto compute = cpu().make_stream();
  Pipeline pipeline(source.source(),
                    {.epochs = 1000,
                     .steps_per_epoch = 20,
                     .warn =
                         [&](const std::string& text) {
                           warnings.push_back(text);
                           told = true;
                         }},
                    cpu(), *compute);
  const auto begin = std::chrono::steady_clock::now();
  for (int epoch = 0; epoch < 1000 && !told; ++epoch) {
    for (bool more = true; more;) {
      asked.release();
      const auto batch = pipeline.next();
      more = batch.has_value();
      if (more) pipeline.consumed(*batch);
    }
    asked.try_acquire();  // the one that ended the epoch
  }
  EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::seconds(1));
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_TRUE(contains(warnings[0], "the step has waited"));
  EXPECT_TRUE(contains(warnings[0], "for the generator (batch"));
  for (int i = 0; i < 20000; ++i) asked.release();  // it has read ahead
}

TEST(Starvation, of_an_epoch_or_of_all_that_lasts_for_a_second_and_a_fifth_of_the_time) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  using Stage = Starvation::Stage;
  Starvation short_epochs;
  for (std::int64_t epoch = 1; epoch <= 11; ++epoch) {
    EXPECT_FALSE(short_epochs.check(epoch * kSecond)) << epoch;
    short_epochs.begin_epoch(epoch * kSecond);
    short_epochs.add(Stage::upload, kSecond / 10 - (epoch <= 10 ? 1 : 0));
    short_epochs.end_epoch(epoch * kSecond + kSecond / 5);
  }
  const auto found = short_epochs.check(12 * kSecond);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->stage, Stage::upload);
  EXPECT_NEAR(found->waited, 1.1, 1e-6);
  EXPECT_NEAR(found->of, 2.2, 1e-6);

  Starvation after_an_hour;
  after_an_hour.begin_epoch(1);
  after_an_hour.end_epoch(3600 * kSecond);
  after_an_hour.begin_epoch(3600 * kSecond);
  EXPECT_FALSE(after_an_hour.check(3602 * kSecond, kSecond / 2));
  EXPECT_TRUE(after_an_hour.check(3602 * kSecond, kSecond));
}

// ---- Reports ----
TEST(Occupancy, counts_the_batches_that_were_ready_and_not_the_one_that_was_waited_for) {
  std::counting_semaphore<> asked(0);
  auto source =
      generator<float>({.x = {2, 3}}, [&](BatchContext&, std::span<float>) { asked.acquire(); });
  Feed feed(source.source(), {.steps_per_epoch = 20}, cpu());
  std::uint64_t awaited = 0;
  for (int step = 0; step < 20; ++step) {
    std::thread later([&] { asked.release(); });
    const auto batch = feed.next();
    later.join();
    ASSERT_TRUE(batch);
    if (batch->was_awaited) ++awaited;
    feed.release(*batch);
  }
  const FeedReport report = feed.take_report();
  EXPECT_EQ(report.batches, 20);
  EXPECT_EQ(report.wait_for_generator.count(), awaited);
  // A batch is there when the step asks only where the thread that lets it be made was faster.
  EXPECT_EQ(report.occupancy(), static_cast<double>(20 - report.wait_for_generator.count()) / 20.0);
}

// ---- Claims ----
class Counter : public BatchGenerator<double> {
 public:
  Counter() : BatchGenerator({.x = {2, 3}}) {}
  std::int64_t fill(BatchContext&, std::span<double> x) override {
    std::ranges::fill(x, 1.0);
    return 2;
  }
};

TEST(Claims, a_source_that_is_not_pure_serves_one_feed_at_a_time_in_all_its_adapters) {
  Counter counter;
  const auto feed_of = [&] {
    return std::make_unique<Feed>(cast<float>(counter).source(), FeedOptions{.steps_per_epoch = 3},
                                  cpu());
  };
  auto first = feed_of();
  EXPECT_TRUE(contains(message_of<ValueError>(feed_of), "serves another fit"));
  first.reset();
  first = feed_of();
}

TEST(Claims, a_pure_source_serves_any_number) {
  const auto source =
      generator<float>({.x = {2, 3}}, [](BatchContext&, std::span<float>) {}).source();
  Feed first(source, {.steps_per_epoch = 3}, cpu());
  Feed second(source, {.steps_per_epoch = 3}, cpu());
}

// ---- Memory ----
// Refuses pinned memory from the n-th buffer on.
class Stingy final : public device::Device {
 public:
  explicit Stingy(int pinned) : pinned_(pinned) {}
  device::Kind kind() const override { return base_->kind(); }
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

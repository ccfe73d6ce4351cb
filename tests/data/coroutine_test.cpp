#include "stoker/coroutine.h"

#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "device/device.h"
#include "feed/feed.h"

namespace stoker {
namespace {

using Writer = BatchWriter<float, std::int32_t>;

const BatchShapes kShapes{.x = {4, 2}, .y = {4}};

// The first label and the number of rows of each batch, and -1 where an epoch ends.
std::vector<std::int64_t> contents(const Generator<float, std::int32_t>& source,
                                   feed::FeedOptions options) {
  const auto device = device::make_cpu_device();
  feed::Feed feed(source.source(), options, *device);
  std::vector<std::int64_t> all;
  for (std::int64_t epoch = 0; epoch < options.epochs; ++epoch) {
    while (const auto batch = feed.next()) {
      all.push_back(
          *reinterpret_cast<const std::int32_t*>(batch->block + feed.layout().offsets[1]));
      all.push_back(batch->rows);
      feed.release(*batch);
    }
    all.push_back(-1);
  }
  return all;
}

TEST(Coroutine, every_co_yield_is_a_batch_and_its_end_that_of_the_epoch) {
  int starts = 0;
  auto batches = coroutine<float, std::int32_t>(kShapes, [&](Writer& batch) -> BatchCoroutine {
    ++starts;
    for (int i = 0; i < 2; ++i) {
      auto [x, y] = batch.fields();
      std::ranges::fill(y, 10 + i);
      co_yield whole_batch;
    }
    auto [x, y] = batch.fields();
    y[0] = 12;
    co_yield 1;
  });
  EXPECT_EQ(contents(batches, {.epochs = 2}),
            (std::vector<std::int64_t>{10, 4, 11, 4, 12, 1, -1, 10, 4, 11, 4, 12, 1, -1}));
  EXPECT_EQ(starts, 2);
}

TEST(Coroutine, goes_on_from_epoch_to_epoch_where_the_training_counts_the_steps) {
  auto batches = coroutine<float, std::int32_t>(kShapes, [](Writer& batch) -> BatchCoroutine {
    for (int i = 0;; ++i) {
      auto [x, y] = batch.fields();
      std::ranges::fill(y, i);
      co_yield whole_batch;
    }
  });
  EXPECT_EQ(contents(batches, {.epochs = 2, .steps_per_epoch = 2}),
            (std::vector<std::int64_t>{0, 4, 1, 4, -1, 2, 4, 3, 4, -1}));
}

// The run before has taken the last batch, and did not ask whether there is another one.
TEST(Coroutine, is_begun_anew_by_a_run_that_finds_it_at_its_end) {
  auto batches = coroutine<float, std::int32_t>(kShapes, [](Writer& batch) -> BatchCoroutine {
    for (int i = 0; i < 2; ++i) {
      auto [x, y] = batch.fields();
      std::ranges::fill(y, 10 + i);
      co_yield whole_batch;
    }
  });
  const feed::FeedOptions options{.steps_per_epoch = 2, .max_queue_size = 1};
  const std::vector<std::int64_t> expected{10, 4, 11, 4, -1};
  for (int run = 0; run < 3; ++run) EXPECT_EQ(contents(batches, options), expected) << run;
}

TEST(Coroutine, what_it_throws_names_the_batch) {
  auto batches = coroutine<float, std::int32_t>(kShapes, [](Writer&) -> BatchCoroutine {
    co_yield whole_batch;
    throw std::out_of_range("no such file");
  });
  try {
    contents(batches, {.steps_per_epoch = 5});
    FAIL() << "expected an error";
  } catch (const DataError& error) {
    EXPECT_EQ(std::string(error.what()), "batch 2 (epoch 1, batch 2 of it): no such file");
  }
}

TEST(Coroutine, is_destroyed_where_it_stands_when_nobody_asks_for_more) {
  const auto alive = std::make_shared<int>(1);
  {
    auto batches = coroutine<float, std::int32_t>(kShapes, [alive](Writer&) -> BatchCoroutine {
      const auto local = alive;
      for (;;) co_yield whole_batch;
    });
    contents(batches, {.steps_per_epoch = 2});
    EXPECT_GT(alive.use_count(), 2);
  }
  EXPECT_EQ(alive.use_count(), 1);
}

TEST(Coroutine, draws_the_batchs_own_random_numbers) {
  std::vector<std::uint32_t> words;
  auto batches = coroutine<float, std::int32_t>(kShapes, [&](Writer& batch) -> BatchCoroutine {
    for (;;) {
      words.push_back(batch.random().word());
      co_yield whole_batch;
    }
  });
  contents(batches, {.steps_per_epoch = 3, .max_queue_size = 1, .seed = 5});
  std::vector<std::uint32_t> expected;
  auto lambda = generator<float, std::int32_t>(
      kShapes, [&](BatchContext& batch, std::span<float>, std::span<std::int32_t>) {
        expected.push_back(batch.random.word());
      });
  contents(lambda, {.steps_per_epoch = 3, .max_queue_size = 1, .seed = 5});
  EXPECT_EQ(words, expected);
}

TEST(Coroutine, trains_a_model) {
  Sequential model({Input({2}), Dense(2)}, {.threads = 1});
  model.compile({.optimizer = "sgd", .loss = SparseCategoricalCrossentropy({.from_logits = true})});
  auto batches = coroutine<float, std::int32_t>(kShapes, [](Writer& batch) -> BatchCoroutine {
    for (;;) {
      auto [x, y] = batch.fields();
      batch.random().fill_uniform(x);
      for (std::size_t row = 0; row < y.size(); ++row) y[row] = x[2 * row] > x[2 * row + 1] ? 1 : 0;
      co_yield whole_batch;
    }
  });
  const History history =
      model.fit_generator(batches, {.steps_per_epoch = 100, .epochs = 3, .verbose = 0});
  EXPECT_LT(history["loss"].back(), history["loss"].front());
}

}  // namespace
}  // namespace stoker

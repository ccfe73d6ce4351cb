// Several workers on one source: the same batches in the same order, ends and errors where one
// worker would have them.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <future>
#include <latch>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "feed/feed.h"
#include "feed/ring/sizes.h"
#include "feed/upload/pipeline.h"
#include "stoker/coroutine.h"
#include "stoker/dataset.h"
#include "stoker/error.h"
#include "stoker/generator.h"
#include "support/contains.h"
#include "support/message.h"

namespace stoker::feed {
namespace {

using test::contains;
using test::message_of;

device::Device& cpu() {
  static const std::shared_ptr<device::Device> device = device::make_cpu_device();
  return *device;
}

// Batches of (2, 3) floats that may be filled by several threads at a time. Keeps count of what it
// was asked for.
class Shared : public BatchGenerator<float> {
 public:
  using Function = std::function<std::int64_t(BatchContext&, std::span<float>)>;

  explicit Shared(Function function, std::optional<std::int64_t> batches = std::nullopt)
      : BatchGenerator({.x = {2, 3}}), function_(std::move(function)), batches_(batches) {}

  std::int64_t fill(BatchContext& batch, std::span<float> x) override {
    {
      const std::lock_guard lock(mutex);
      asked.emplace(batch.epoch, batch.index);
      threads.insert(std::this_thread::get_id());
      ++calls;
    }
    return function_(batch, x);
  }
  bool pure() const override { return true; }
  std::optional<std::int64_t> batches_per_epoch() const override { return batches_; }
  bool epochs_apart() const override { return apart; }
  bool shuffles_batches() const override { return true; }
  void begin_epoch(std::int64_t epoch) override { begun.push_back(epoch); }
  void end_epoch(std::int64_t epoch) override { ended.push_back(epoch); }

  std::mutex mutex;
  std::multiset<std::pair<std::int64_t, std::int64_t>> asked;
  std::set<std::thread::id> threads;
  std::int64_t calls = 0;
  bool apart = false;
  std::vector<std::int64_t> begun;
  std::vector<std::int64_t> ended;

 private:
  Function function_;
  std::optional<std::int64_t> batches_;
};

std::int64_t random_row(BatchContext& batch, std::span<float> x) {
  batch.random.fill_uniform(x);
  x[5] = static_cast<float>(batch.index);
  return 2;
}

// Everything that comes out of a feed: each batch's elements, and -1 where an epoch ends.
template <class Next, class Release>
std::vector<float> contents(std::int64_t epochs, const SlotLayout& layout, const Next& next,
                            const Release& release) {
  std::vector<float> all;
  for (std::int64_t epoch = 0; epoch < epochs; ++epoch) {
    while (const std::optional<Batch> batch = next()) {
      const auto* x = reinterpret_cast<const float*>(batch->block + layout.offsets[0]);
      all.insert(all.end(), x, x + 3 * batch->rows);
      release(*batch);
    }
    all.push_back(-1.0f);
  }
  return all;
}

std::vector<float> contents(const std::shared_ptr<Source>& source, const FeedOptions& options) {
  Feed feed(source, options, cpu());
  return contents(
      options.epochs, feed.layout(), [&] { return feed.next(); },
      [&](const Batch& batch) { feed.release(batch); });
}

// The same by way of a pipeline, which tunes the feed.
std::vector<float> tuned_contents(const std::shared_ptr<Source>& source,
                                  const FeedOptions& options) {
  const std::unique_ptr<device::Stream> compute = cpu().make_stream();
  Pipeline pipeline(source, options, cpu(), *compute);
  return contents(
      options.epochs, pipeline.feed().layout(), [&] { return pipeline.next(); },
      [&](const Batch& batch) { pipeline.consumed(batch); });
}

TEST(Workers, any_number_of_them_gives_the_same_batches_in_the_same_order) {
  const auto options = [](int workers, int queue) {
    return FeedOptions{
        .epochs = 3, .steps_per_epoch = 40, .max_queue_size = queue, .workers = workers, .seed = 7};
  };
  const auto run = [&](int workers, int queue) {
    return contents(std::make_shared<Shared>(random_row), options(workers, queue));
  };
  const std::vector<float> expected = run(1, 1);
  ASSERT_EQ(expected.size(), 3U * (40U * 6U + 1U));
  for (const int workers : {1, 2, 3, 8}) {
    for (const int queue : {1, 2, 10}) {
      EXPECT_EQ(run(workers, queue), expected) << workers << " workers, a queue of " << queue;
    }
  }
  EXPECT_EQ(run(AUTOTUNE, AUTOTUNE), expected);
  EXPECT_EQ(tuned_contents(std::make_shared<Shared>(random_row), options(AUTOTUNE, AUTOTUNE)),
            expected);
}

TEST(Workers, fill_at_the_same_time) {
  std::latch all_at_it(3);
  const auto source = std::make_shared<Shared>([&](BatchContext& batch, std::span<float> x) {
    if (batch.index < 3) all_at_it.arrive_and_wait();  // would hang with fewer than three
    return random_row(batch, x);
  });
  contents(source, {.steps_per_epoch = 30, .workers = 3});
  EXPECT_EQ(source->calls, 30);
  EXPECT_GE(source->threads.size(), 3U);
}

TEST(Workers, a_source_that_is_not_pure_has_one) {
  std::set<std::thread::id> threads;
  auto source = generator<float>({.x = {2, 3}}, [&](BatchContext&, std::span<float>) {
    threads.insert(std::this_thread::get_id());
  });
  std::vector<std::string> warnings;
  Feed feed(source.source(),
            {.steps_per_epoch = 20,
             .workers = 4,
             .warn = [&](const std::string& text) { warnings.push_back(text); }},
            cpu());
  while (const auto batch = feed.next()) feed.release(*batch);
  EXPECT_EQ(threads.size(), 1U);
  EXPECT_EQ(feed.workers(), 1);
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_TRUE(contains(warnings[0], "workers = 4, but one is used"));
  EXPECT_TRUE(contains(warnings[0], "pure(f)"));
}

// What a feed with several workers says of a source at its start.
std::string told_of(const std::shared_ptr<Source>& source, int workers = 4) {
  std::string told;
  Feed feed(source,
            {.steps_per_epoch = 2,
             .workers = workers,
             .warn = [&](const std::string& text) { told += text; }},
            cpu());
  return told;
}

TEST(Workers, that_a_source_cannot_use_are_told_of_with_the_reason_of_its_kind) {
  class Numbers : public BatchGenerator<float> {
   public:
    Numbers() : BatchGenerator({.x = {2, 3}}) {}
    std::int64_t fill(BatchContext&, std::span<float>) override { return 2; }
  };
  EXPECT_TRUE(contains(told_of(std::make_shared<Numbers>()), "Override pure()"));
  EXPECT_TRUE(contains(told_of(coroutine<float>({.x = {2, 3}},
                                                [](BatchWriter<float>&) -> BatchCoroutine {
                                                  for (;;) co_yield whole_batch;
                                                })
                                   .source()),
                       "a coroutine goes from one batch to the next"));
  const auto dataset = range(100).filter([](std::span<const std::int32_t>) { return true; });
  EXPECT_TRUE(contains(told_of(dataset.batch(4).source().source()), "is_random_access() is false"));
  EXPECT_EQ(told_of(range(100).batch(4).source().source()), "");
  EXPECT_EQ(told_of(std::make_shared<Numbers>(), 1), "");
  EXPECT_EQ(told_of(std::make_shared<Numbers>(), AUTOTUNE), "");
}

TEST(Workers, have_a_slot_each_though_the_queue_is_shorter) {
  std::latch all_at_it(16);
  const auto source = std::make_shared<Shared>([&](BatchContext& batch, std::span<float> x) {
    if (batch.index < 16) all_at_it.arrive_and_wait();  // would hang with fewer
    return random_row(batch, x);
  });
  Feed feed(source, {.steps_per_epoch = 40, .max_queue_size = 2, .workers = 16}, cpu());
  EXPECT_EQ(feed.ring_size(), 17);
  while (const auto batch = feed.next()) feed.release(*batch);
}

TEST(Workers, of_AUTOTUNE_are_as_many_as_max_workers_allows_and_its_memory_has_slots_for) {
  const auto source = std::make_shared<Shared>(random_row);
  const auto sizes = [&](const FeedOptions& options) { return sizes_of(options, *source, true); };
  const Sizes wanted = sizes({.steps_per_epoch = 1000, .workers = AUTOTUNE});
  EXPECT_EQ(wanted.workers, 64);
  EXPECT_EQ(wanted.slots, 65);
  EXPECT_EQ(wanted.depth, 11);
  EXPECT_EQ(wanted.active, 1);
  EXPECT_EQ(sizes({.steps_per_epoch = 1000, .workers = AUTOTUNE, .max_workers = 5}).workers, 5);
  const std::size_t slot = SlotLayout(source->spec()).bytes;
  const Sizes small =
      sizes({.steps_per_epoch = 1000, .workers = AUTOTUNE, .queue_bytes = 20 * slot});
  EXPECT_EQ(small.workers, 19);
  EXPECT_TRUE(small.limited_by_memory);
  EXPECT_EQ(sizes({.steps_per_epoch = 4, .workers = 12}).workers, 4);
}

TEST(Workers, ask_for_each_batch_once) {
  const auto source = std::make_shared<Shared>(random_row, 25);
  contents(source, {.epochs = 4, .steps_per_epoch = 10, .workers = 4});
  // Epochs of 10, 10, 5 and 10 batches.
  EXPECT_EQ(source->calls, 35);
  for (std::int64_t index = 0; index < 25; ++index) {
    EXPECT_EQ(source->asked.count({0, index}), 1U) << index;
  }
}

TEST(Workers, leave_no_batch_out) {
  for (const int workers : {1, 4}) {
    const auto source = std::make_shared<Shared>(random_row);
    std::string error;
    try {
      contents(source, {.epochs = 3, .steps_per_epoch = 10, .workers = workers});
    } catch (const DataError& missed) {
      error = missed.what();
    }
    EXPECT_EQ(error, "");
    for (std::int64_t epoch = 0; epoch < 3; ++epoch) {
      for (std::int64_t index = 0; index < 10; ++index) {
        EXPECT_EQ(source->asked.count({epoch, index}), 1U)
            << "batch " << index << " of epoch " << epoch << ", " << workers << " workers";
      }
    }
  }
}

TEST(Workers, find_the_end_of_an_epoch_that_only_the_source_knows) {
  for (const int workers : {1, 2, 5}) {
    const auto source = std::make_shared<Shared>([](BatchContext& batch, std::span<float> x) {
      if (batch.index >= 7) return std::int64_t{0};
      random_row(batch, x);
      return batch.index == 6 ? std::int64_t{1} : std::int64_t{2};
    });
    const std::vector<float> all =
        contents(source, {.epochs = 3, .max_queue_size = 4, .workers = workers});
    ASSERT_EQ(all.size(), 3U * (6U * 6U + 3U + 1U)) << workers;
    EXPECT_EQ(source->asked.count({2, 6}), 1U);
    EXPECT_LE(source->calls, 3 * (7 + workers)) << "asked too far beyond the end";
  }
}

TEST(Workers, number_batches_on_behind_an_epoch_that_the_source_ended) {
  std::mutex mutex;
  std::set<std::int64_t> sequences;
  const auto source = std::make_shared<Shared>([&](BatchContext& batch, std::span<float> x) {
    if (batch.index >= 5) return std::int64_t{0};
    const std::lock_guard lock(mutex);
    sequences.insert(batch.sequence);
    return random_row(batch, x);
  });
  contents(source, {.epochs = 4, .workers = 3});
  EXPECT_EQ(sequences.size(), 20U);
  EXPECT_EQ(*sequences.rbegin(), 19);
}

TEST(Workers, an_error_comes_after_all_batches_before_it) {
  const auto source = std::make_shared<Shared>([](BatchContext& batch, std::span<float> x) {
    if (batch.sequence == 23) throw std::out_of_range("no such file");
    return random_row(batch, x);
  });
  Feed feed(source, {.epochs = 3, .steps_per_epoch = 10, .workers = 4}, cpu());
  std::int64_t batches = 0;
  const std::string message = message_of<DataError>([&] {
    for (int epoch = 0; epoch < 3; ++epoch) {
      while (const auto batch = feed.next()) {
        ++batches;
        feed.release(*batch);
      }
    }
  });
  EXPECT_EQ(message, "batch 24 (epoch 3, batch 4 of it): no such file");
  EXPECT_EQ(batches, 23);
}

TEST(Workers, of_several_errors_the_first_batchs_counts) {
  std::latch both(2);
  const auto source = std::make_shared<Shared>([&](BatchContext& batch, std::span<float> x) {
    if (batch.index == 4) {
      both.arrive_and_wait();
      throw std::runtime_error("four");
    }
    if (batch.index == 5) {
      both.arrive_and_wait();
      throw std::runtime_error("five");
    }
    return random_row(batch, x);
  });
  EXPECT_EQ(message_of<DataError>([&] { contents(source, {.steps_per_epoch = 10, .workers = 2}); }),
            "batch 5 (epoch 1, batch 5 of it): four");
}

TEST(Workers, what_is_thrown_beyond_the_end_of_an_epoch_does_not_count) {
  const auto source = std::make_shared<Shared>([](BatchContext& batch, std::span<float> x) {
    if (batch.index > 5) throw std::out_of_range("beyond the end");
    return batch.index == 5 ? std::int64_t{0} : random_row(batch, x);
  });
  const std::vector<float> all = contents(source, {.epochs = 3, .workers = 4});
  EXPECT_EQ(all.size(), 3U * (5U * 6U + 1U));
}

TEST(Workers, epochs_of_a_source_that_wants_them_apart_do_not_overlap) {
  std::atomic<std::int64_t> epoch_filled{0};
  std::atomic<bool> overlapped{false};
  const auto source = std::make_shared<Shared>([&](BatchContext& batch, std::span<float> x) {
    if (batch.epoch < epoch_filled.load()) overlapped = true;
    epoch_filled.store(batch.epoch);
    return random_row(batch, x);
  });
  source->apart = true;
  contents(source, {.epochs = 20, .steps_per_epoch = 9, .workers = 4});
  EXPECT_FALSE(overlapped);
  EXPECT_EQ(source->begun.size(), 20U);
  ASSERT_EQ(source->ended.size(), 20U);
  EXPECT_EQ(source->ended.back(), 19);
}

TEST(Workers, a_shuffled_source_gives_every_batch_once_in_another_order_each_epoch) {
  const auto order = [](std::uint64_t seed, int workers) {
    const auto source = std::make_shared<Shared>(random_row, 12);
    const std::vector<float> all =
        contents(source, {.epochs = 2, .workers = workers, .seed = seed, .shuffle = true});
    std::vector<float> indices;
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (all[i] == -1.0f) continue;
      indices.push_back(all[i + 5]);
      i += 5;
    }
    return indices;
  };
  const std::vector<float> one = order(1, 1);
  EXPECT_EQ(order(1, 3), one);
  EXPECT_NE(order(2, 1), one);
  ASSERT_EQ(one.size(), 24U);
  const std::set<float> first(one.begin(), one.begin() + 12);
  const std::set<float> second(one.begin() + 12, one.end());
  EXPECT_EQ(first.size(), 12U);
  EXPECT_EQ(second.size(), 12U);
  EXPECT_FALSE(std::equal(one.begin(), one.begin() + 12, one.begin() + 12));
}

TEST(Workers, on_the_steps_cores_come_after_whatever_the_steps_priority_is) {
  int of_step = 0;
  std::atomic<int> of_worker{0};
  const auto priority = [] { return getpriority(PRIO_PROCESS, static_cast<id_t>(gettid())); };
  // On a thread of its own, since a priority that was given up is gone.
  std::thread([&] {
    setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), std::min(priority() + 3, 14));
    of_step = priority();
    const auto source = std::make_shared<Shared>([&](BatchContext& batch, std::span<float> x) {
      of_worker = priority();
      return random_row(batch, x);
    });
    contents(source, {.steps_per_epoch = 1});
  }).join();
  EXPECT_EQ(of_worker, std::min(of_step + 5, 19));
}

TEST(Workers, stop_while_all_of_them_are_at_it) {
  for (int round = 0; round < 200; ++round) {
    const auto source = std::make_shared<Shared>(random_row);
    Feed feed(source, {.steps_per_epoch = 1000, .max_queue_size = 3, .workers = 4}, cpu());
    for (int step = 0; step < round % 5; ++step) feed.release(feed.next().value());
  }
}

}  // namespace
}  // namespace stoker::feed

#include "feed/feed.h"

#include <gtest/gtest.h>
#include <pthread.h>

#include <array>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <latch>
#include <semaphore>
#include <string>
#include <thread>
#include <vector>

#include "data/source_random.h"
#include "stoker/error.h"
#include "stoker/generator.h"
#include "support/contains.h"
#include "support/message.h"

namespace stoker::feed {
namespace {

using test::contains;
using test::message_of;

// What a fill of the source was asked for.
struct Asked {
  std::int64_t epoch;
  std::int64_t index;
  std::int64_t sequence;
  friend bool operator==(const Asked&, const Asked&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Asked& asked) {
    return out << "(epoch " << asked.epoch << ", index " << asked.index << ", sequence "
               << asked.sequence << ")";
  }
};

// Batches of (4, 2) floats and 4 labels, filled by a function that returns the rows. `asked` and
// `begun` may be read once the feed is gone.
class Scripted : public BatchGenerator<float, std::int32_t> {
 public:
  using Function = std::function<std::int64_t(BatchContext&, std::span<float>)>;

  explicit Scripted(Function function) : Scripted(std::nullopt, std::move(function)) {}
  Scripted(std::optional<std::int64_t> batches, Function function)
      : BatchGenerator({.x = {4, 2}, .y = {4}}),
        batches_(batches),
        function_(std::move(function)) {}

  std::int64_t fill(BatchContext& batch, std::span<float> x, std::span<std::int32_t> y) override {
    asked.push_back({batch.epoch, batch.index, batch.sequence});
    std::ranges::fill(x, static_cast<float>(batch.sequence));
    std::ranges::fill(y, static_cast<std::int32_t>(batch.sequence));
    return function_(batch, x);
  }
  std::optional<std::int64_t> batches_per_epoch() const override { return batches_; }
  void begin_epoch(std::int64_t epoch) override {
    if (throw_in_begin == epoch) throw std::runtime_error("no such epoch");
    begun.push_back(epoch);
  }

  std::vector<Asked> asked;
  std::vector<std::int64_t> begun;
  std::optional<std::int64_t> throw_in_begin;

 private:
  std::optional<std::int64_t> batches_;
  Function function_;
};

std::int64_t whole_batches(BatchContext&, std::span<float>) { return 4; }

// Ends every epoch after `batches`.
Scripted::Function ends_after(std::int64_t batches) {
  return [batches](BatchContext& batch, std::span<float>) { return batch.index < batches ? 4 : 0; };
}

device::Device& cpu() {
  static const std::shared_ptr<device::Device> device = device::make_cpu_device();
  return *device;
}

const float* x_of(const Feed& feed, const Batch& batch) {
  return reinterpret_cast<const float*>(batch.block + feed.layout().offsets[0]);
}

// Takes and releases the rest of an epoch; returns the batches' numbers of rows.
std::vector<std::int64_t> run_epoch(Feed& feed) {
  std::vector<std::int64_t> rows;
  while (const std::optional<Batch> batch = feed.next()) {
    EXPECT_EQ(x_of(feed, *batch)[0], static_cast<float>(batch->sequence));
    rows.push_back(batch->rows);
    feed.release(*batch);
  }
  return rows;
}

std::vector<std::size_t> steps_of_epochs(Feed& feed, std::size_t epochs) {
  std::vector<std::size_t> steps;
  for (std::size_t i = 0; i < epochs; ++i) steps.push_back(run_epoch(feed).size());
  return steps;
}

// Threads of feeds in this process, by the name that the kernel knows; a sanitizer has its own.
int thread_count() {
  int count = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream file(task.path() / "comm");  // of a thread that just ended there is none
    std::string name;
    if (std::getline(file, name) && name == "stoker-feed") ++count;
  }
  return count;
}

// The kernel may count a joined thread for a moment longer: in `expected` too.
bool thread_count_falls_to(int expected) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (thread_count() > expected) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

// ---- Batches ----
TEST(Feed, gives_every_batch_once_and_in_order) {
  const auto source = std::make_shared<Scripted>(whole_batches);
  {
    Feed feed(source, {.epochs = 10, .steps_per_epoch = 100, .max_queue_size = 3}, cpu());
    std::int64_t expected = 0;
    for (int epoch = 0; epoch < 10; ++epoch) {
      for (int step = 0; step < 100; ++step) {
        const std::optional<Batch> batch = feed.next();
        ASSERT_TRUE(batch);
        ASSERT_EQ(batch->sequence, expected);
        ASSERT_EQ(x_of(feed, *batch)[7], static_cast<float>(expected));
        ++expected;
        feed.release(*batch);
      }
      ASSERT_FALSE(feed.next());
    }
    EXPECT_FALSE(feed.next());
    EXPECT_FALSE(feed.ran_out());
  }
  ASSERT_EQ(source->asked.size(), 1000U);
  EXPECT_EQ(source->asked[999], (Asked{9, 99, 999}));
  EXPECT_EQ(source->begun, (std::vector<std::int64_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
}

TEST(Feed, slots_are_aligned_blocks_with_a_header) {
  const auto source = std::make_shared<Scripted>(whole_batches);
  Feed feed(source, {.steps_per_epoch = 3}, cpu());
  const SlotLayout& layout = feed.layout();
  EXPECT_EQ(layout.offsets, (std::vector<std::size_t>{256, 512}));
  EXPECT_EQ(layout.bytes, 768U);
  EXPECT_EQ(layout.row_bytes, 12U);
  while (const std::optional<Batch> batch = feed.next()) {
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(batch->block) % 256, 0U);
    const auto* header = reinterpret_cast<const SlotHeader*>(batch->block);
    EXPECT_EQ(header->sequence, static_cast<std::uint64_t>(batch->sequence));
    EXPECT_EQ(header->rows, 4);
    feed.release(*batch);
  }
}

TEST(Feed, a_short_batch_says_how_many_rows_it_has) {
  const auto source = std::make_shared<Scripted>([](BatchContext& batch, std::span<float>) {
    return batch.index == 2 ? 1 : batch.index < 2 ? 4 : 0;
  });
  Feed feed(source, {}, cpu());
  EXPECT_EQ(run_epoch(feed), (std::vector<std::int64_t>{4, 4, 1}));
  const FeedReport report = feed.take_report();
  EXPECT_EQ(report.batches, 3);
  EXPECT_EQ(report.samples, 9);
  EXPECT_EQ(report.bytes, 9U * 12U);
}

TEST(Feed, random_numbers_belong_to_the_batch_and_not_to_the_queue) {
  const auto numbers = [](int max_queue_size) {
    std::vector<std::uint32_t> words;
    const auto source = std::make_shared<Scripted>([&](BatchContext& batch, std::span<float>) {
      words.push_back(batch.random.word());
      return 4;
    });
    {
      Feed feed(source,
                {.epochs = 3, .steps_per_epoch = 5, .max_queue_size = max_queue_size, .seed = 42},
                cpu());
      steps_of_epochs(feed, 3);
    }
    return words;
  };
  const std::vector<std::uint32_t> words = numbers(1);
  EXPECT_EQ(numbers(7), words);
  ASSERT_EQ(words.size(), 15U);
  for (std::size_t i = 0; i < words.size(); ++i) {
    Random random = data::source_random(42, static_cast<std::int64_t>(i / 5),
                                        data::RandomStage::batch, static_cast<std::int64_t>(i % 5));
    EXPECT_EQ(words[i], random.word()) << "batch " << i;
  }
}

TEST(Feed, fills_on_a_thread_of_its_own_that_has_a_name) {
  std::array<char, 16> name{};
  std::thread::id id;
  const auto source = std::make_shared<Scripted>([&](BatchContext&, std::span<float>) {
    pthread_getname_np(pthread_self(), name.data(), name.size());
    id = std::this_thread::get_id();
    return 4;
  });
  Feed feed(source, {.steps_per_epoch = 1}, cpu());
  run_epoch(feed);
  EXPECT_STREQ(name.data(), "stoker-feed");
  EXPECT_NE(id, std::this_thread::get_id());
}

// ---- How far ahead ----
TEST(Feed, reads_ahead_to_its_bound_and_no_further) {
  constexpr std::int64_t kQueue = 3;
  std::counting_semaphore<> pulls(0);
  std::atomic<std::int64_t> taken{0};
  const auto source = std::make_shared<Scripted>([&](BatchContext& batch, std::span<float>) {
    EXPECT_LE(batch.sequence + 1 - taken, kQueue + 1);
    pulls.release();
    return 4;
  });
  {
    Feed feed(source, {.epochs = 50, .steps_per_epoch = 2, .max_queue_size = kQueue}, cpu());
    for (std::int64_t i = 0; i < kQueue + 1; ++i) pulls.acquire();
    for (int epoch = 0; epoch < 20; ++epoch) {
      while (const std::optional<Batch> batch = feed.next()) {
        ++taken;
        feed.release(*batch);
      }
    }
  }
  EXPECT_LE(source->asked.size(), 40U + kQueue + 1U);
  EXPECT_GE(source->asked.size(), 40U);
}

TEST(Feed, never_pulls_more_than_all_epochs_need) {
  const auto source = std::make_shared<Scripted>(whole_batches);
  {
    Feed feed(source, {.epochs = 2, .steps_per_epoch = 3}, cpu());
    EXPECT_EQ(steps_of_epochs(feed, 3), (std::vector<std::size_t>{3, 3, 0}));
  }
  EXPECT_EQ(source->asked.size(), 6U);
}

TEST(Feed, no_epochs_pull_nothing) {
  const auto source = std::make_shared<Scripted>(whole_batches);
  Feed feed(source, {.epochs = 0, .steps_per_epoch = 3}, cpu());
  EXPECT_FALSE(feed.next());
  EXPECT_TRUE(source->asked.empty());
}

TEST(Feed, a_caller_that_releases_nothing_is_told_so) {
  const auto source = std::make_shared<Scripted>(whole_batches);
  Feed feed(source, {.steps_per_epoch = 10, .max_queue_size = 1}, cpu());
  const std::optional<Batch> first = feed.next();
  const std::optional<Batch> second = feed.next();
  EXPECT_TRUE(contains(message_of<ValueError>([&] { feed.next(); }), "to be released first"));
  feed.release(*first);
  feed.release(*second);
  EXPECT_EQ(run_epoch(feed).size(), 8U);
}

TEST(Feed, a_batch_may_be_held_across_the_end_of_an_epoch) {
  const auto source = std::make_shared<Scripted>(ends_after(1));
  Feed feed(source, {.epochs = 2, .max_queue_size = 1}, cpu());
  const std::optional<Batch> batch = feed.next();
  EXPECT_FALSE(feed.next());
  // The slot of the next batch is the one that is held; the other held the end of the epoch.
  EXPECT_THROW(feed.next(), ValueError);
  feed.release(*batch);
  EXPECT_EQ(run_epoch(feed).size(), 1U);
}

// ---- Epochs ----
TEST(Feed, a_source_that_ends_is_begun_again_each_epoch) {
  const auto source = std::make_shared<Scripted>(ends_after(3));
  {
    Feed feed(source, {.epochs = 3, .first_epoch = 5, .max_queue_size = 2}, cpu());
    EXPECT_EQ(steps_of_epochs(feed, 4), (std::vector<std::size_t>{3, 3, 3, 0}));
    EXPECT_FALSE(feed.ran_out());
  }
  EXPECT_EQ(source->begun, (std::vector<std::int64_t>{5, 6, 7}));
  EXPECT_EQ(source->asked[3], (Asked{5, 3, 3}));  // the end of the epoch
  EXPECT_EQ(source->asked[4], (Asked{6, 0, 3}));
}

TEST(Feed, a_source_of_known_length_is_not_asked_for_more) {
  const auto source = std::make_shared<Scripted>(2, whole_batches);
  {
    Feed feed(source, {.epochs = 3}, cpu());
    EXPECT_EQ(steps_of_epochs(feed, 4), (std::vector<std::size_t>{2, 2, 2, 0}));
  }
  EXPECT_EQ(source->asked.size(), 6U);
  EXPECT_EQ(source->begun, (std::vector<std::int64_t>{0, 1, 2}));
}

TEST(Feed, steps_per_epoch_divide_a_pass_through_a_source_of_known_length) {
  const auto source = std::make_shared<Scripted>(10, whole_batches);
  {
    Feed feed(source, {.epochs = 4, .steps_per_epoch = 4}, cpu());
    EXPECT_EQ(steps_of_epochs(feed, 4), (std::vector<std::size_t>{4, 4, 2, 4}));
    EXPECT_FALSE(feed.ran_out());
  }
  EXPECT_EQ(source->begun, (std::vector<std::int64_t>{0, 1}));
  EXPECT_EQ(source->asked[9], (Asked{0, 9, 9}));
  EXPECT_EQ(source->asked[10], (Asked{1, 0, 10}));
}

TEST(Feed, a_later_first_epoch_goes_on_where_that_epoch_lies) {
  const auto source = std::make_shared<Scripted>(10, whole_batches);
  {
    Feed feed(source, {.epochs = 1, .first_epoch = 4, .steps_per_epoch = 4}, cpu());
    run_epoch(feed);
  }
  EXPECT_EQ(source->begun, (std::vector<std::int64_t>{1}));
  EXPECT_EQ(source->asked[0], (Asked{1, 4, 0}));
}

TEST(Feed, a_source_that_ends_before_steps_per_epoch_has_run_out) {
  std::int64_t left = 7;
  const auto source = std::make_shared<Scripted>(
      [&](BatchContext&, std::span<float>) { return left-- > 0 ? 4 : 0; });
  Feed feed(source, {.epochs = 3, .steps_per_epoch = 5}, cpu());
  EXPECT_EQ(steps_of_epochs(feed, 1), (std::vector<std::size_t>{5}));
  EXPECT_FALSE(feed.ran_out());
  EXPECT_EQ(steps_of_epochs(feed, 1), (std::vector<std::size_t>{2}));
  EXPECT_TRUE(feed.ran_out());
  EXPECT_FALSE(feed.next());
  EXPECT_FALSE(feed.next());
}

TEST(Feed, a_source_that_cannot_begin_again_has_run_out) {
  std::int64_t left = 3;
  const auto source = std::make_shared<Scripted>(
      [&](BatchContext&, std::span<float>) { return left-- > 0 ? 4 : 0; });
  Feed feed(source, {.epochs = 5}, cpu());
  EXPECT_EQ(steps_of_epochs(feed, 1), (std::vector<std::size_t>{3}));
  EXPECT_FALSE(feed.ran_out());
  EXPECT_EQ(steps_of_epochs(feed, 1), (std::vector<std::size_t>{0}));
  EXPECT_TRUE(feed.ran_out());
}

TEST(Feed, a_source_that_ends_before_the_length_it_told_has_run_out) {
  const auto source = std::make_shared<Scripted>(5, ends_after(2));
  Feed feed(source, {.epochs = 3}, cpu());
  EXPECT_EQ(run_epoch(feed).size(), 2U);
  EXPECT_TRUE(feed.ran_out());
  EXPECT_FALSE(feed.next());
}

// ---- Errors ----
// A feed of 3 epochs of 5 batches whose source throws at one of them.
void expect_error_at(std::int64_t sequence, const std::string& expected) {
  const int threads = thread_count();
  const auto source = std::make_shared<Scripted>([&](BatchContext& batch, std::span<float>) {
    if (batch.sequence == sequence) throw std::out_of_range("no such file");
    return 4;
  });
  Feed feed(source, {.epochs = 3, .steps_per_epoch = 5, .max_queue_size = 2}, cpu());
  std::int64_t batches = 0;
  const auto run = [&] {
    for (int epoch = 0; epoch < 3; ++epoch) {
      while (const std::optional<Batch> batch = feed.next()) {
        ++batches;
        feed.release(*batch);
      }
    }
  };
  try {
    run();
    FAIL() << "expected an error for batch " << sequence;
  } catch (const DataError& error) {
    EXPECT_EQ(error.what(), expected);
    EXPECT_THROW(std::rethrow_if_nested(error), std::out_of_range);
  }
  EXPECT_EQ(batches, sequence);
  EXPECT_TRUE(thread_count_falls_to(threads));
  EXPECT_EQ(message_of<DataError>([&] { feed.next(); }), expected);
}

TEST(Feed, an_exception_names_the_batch_and_comes_after_those_before_it) {
  expect_error_at(0, "batch 1 (epoch 1, batch 1 of it): no such file");
  expect_error_at(7, "batch 8 (epoch 2, batch 3 of it): no such file");
  expect_error_at(14, "batch 15 (epoch 3, batch 5 of it): no such file");
}

std::string error_of(const std::shared_ptr<Scripted>& source) {
  Feed feed(source, {.steps_per_epoch = 3}, cpu());
  return message_of<DataError>([&] { run_epoch(feed); });
}

TEST(Feed, refuses_an_impossible_number_of_rows) {
  const auto rows = [](std::int64_t second) {
    return std::make_shared<Scripted>([second](BatchContext& batch, std::span<float>) {
      return batch.index == 1 ? second : std::int64_t{4};
    });
  };
  EXPECT_EQ(error_of(rows(5)),
            "batch 2 (epoch 1, batch 2 of it): expected 0 to 4 rows, the batch size, received 5");
  EXPECT_TRUE(contains(error_of(rows(-1)), "received -1"));
}

TEST(Feed, what_is_thrown_need_not_be_an_exception) {
  const auto source =
      std::make_shared<Scripted>([](BatchContext&, std::span<float>) -> std::int64_t { throw 42; });
  EXPECT_TRUE(contains(error_of(source), "batch 1 (epoch 1, batch 1 of it): the generator threw"));
}

TEST(Feed, an_exception_at_the_beginning_of_an_epoch_names_its_first_batch) {
  const auto source = std::make_shared<Scripted>(whole_batches);
  source->throw_in_begin = 1;
  Feed feed(source, {.epochs = 2, .steps_per_epoch = 3}, cpu());
  EXPECT_EQ(run_epoch(feed).size(), 3U);
  EXPECT_EQ(message_of<DataError>([&] { run_epoch(feed); }),
            "batch 4 (epoch 2, batch 1 of it): no such epoch");
}

TEST(Feed, an_empty_source_is_an_error) {
  EXPECT_TRUE(contains(error_of(std::make_shared<Scripted>(ends_after(0))), "gave no batch"));
  const auto none = std::make_shared<Scripted>(0, whole_batches);
  EXPECT_TRUE(contains(message_of<DataError>([&] { Feed(none, {}, cpu()); }), "gave no batch"));
}

TEST(Feed, refuses_options_out_of_range) {
  const auto source = std::make_shared<Scripted>(whole_batches);
  const auto error = [&](const FeedOptions& options) {
    return message_of<ValueError>([&] { Feed(source, options, cpu()); });
  };
  EXPECT_TRUE(contains(error({.steps_per_epoch = 0}), "steps_per_epoch of at least 1, received 0"));
  EXPECT_TRUE(contains(error({.epochs = -1}), "received -1 from epoch 0"));
  EXPECT_TRUE(contains(error({.max_queue_size = 0}),
                       "expected max_queue_size (or AUTOTUNE) in [1, 65536], received 0"));
  EXPECT_TRUE(
      contains(error({.workers = 0}), "expected workers (or AUTOTUNE) in [1, 4096], received 0"));
  EXPECT_TRUE(source->asked.empty());
}

TEST(Feed, an_endless_source_needs_steps_per_epoch) {
  const auto source =
      generator<float>({.x = {4, 2}}, [](BatchContext&, std::span<float>) {}).source();
  EXPECT_TRUE(contains(message_of<ValueError>([&] { Feed(source, {}, cpu()); }),
                       "expected steps_per_epoch, since this generator never ends"));
  Feed feed(source, {.steps_per_epoch = 2, .max_queue_size = AUTOTUNE, .workers = AUTOTUNE}, cpu());
  EXPECT_FALSE(!feed.next());
}

class BadSpec : public Source {
 public:
  explicit BadSpec(BatchSpec spec) : spec_(std::move(spec)) {}
  const BatchSpec& spec() const override { return spec_; }
  std::int64_t fill(BatchContext&, const Slot&) override { return 1; }

 private:
  BatchSpec spec_;
};

TEST(Feed, refuses_a_spec_that_no_slot_can_hold) {
  const auto error = [](BatchSpec spec) {
    const auto source = std::make_shared<BadSpec>(std::move(spec));
    return message_of<ShapeError>([&] { Feed(source, {.steps_per_epoch = 1}, cpu()); });
  };
  const Field x{"x", DType::float32, {4, 2}};
  EXPECT_TRUE(contains(error({}), "at least one input"));
  EXPECT_TRUE(contains(error({.inputs = {{"x", DType::float32, {Shape::kUnknown, 2}}}}),
                       "field x: expected a known shape"));
  EXPECT_TRUE(contains(error({.inputs = {x}, .targets = {{"y", DType::int32, {5}}}}),
                       "field y: expected a known shape of at least one element with the batch "
                       "size (4, of the first input) in front, received (5,)"));
  EXPECT_TRUE(contains(error({.inputs = {{"x", DType::float32, {4, std::int64_t{1} << 60}}}}),
                       "fits no memory"));
}

// ---- Stopping ----
TEST(Feed, stops_while_the_ring_is_full) {
  std::latch full(4);
  const auto source = std::make_shared<Scripted>([&](BatchContext&, std::span<float>) {
    full.count_down();
    return 4;
  });
  {
    Feed feed(source, {.steps_per_epoch = 100, .max_queue_size = 3}, cpu());
    full.wait();
  }
  EXPECT_EQ(source->asked.size(), 4U);
}

TEST(Feed, stops_after_the_batch_that_the_generator_is_at) {
  std::promise<void> entered, leave;
  std::atomic<bool> left{false};
  const auto source = std::make_shared<Scripted>([&](BatchContext&, std::span<float>) {
    entered.set_value();
    leave.get_future().wait();
    left = true;
    return 4;
  });
  auto feed = std::make_unique<Feed>(source, FeedOptions{.steps_per_epoch = 100}, cpu());
  entered.get_future().wait();
  std::latch stopping(1);
  std::thread stopper([&] {
    stopping.count_down();
    feed.reset();
    EXPECT_TRUE(left);
  });
  stopping.wait();
  leave.set_value();
  stopper.join();
}

TEST(Feed, an_error_that_nobody_asked_for_goes_with_the_feed) {
  std::promise<void> entered;
  const auto source =
      std::make_shared<Scripted>([&](BatchContext&, std::span<float>) -> std::int64_t {
        entered.set_value();
        throw std::runtime_error("unheard");
      });
  Feed feed(source, {.steps_per_epoch = 1}, cpu());
  entered.get_future().wait();
}

TEST(Feed, a_thousand_starts_and_stops_leave_no_thread) {
  const int threads = thread_count();
  const auto source = std::make_shared<Scripted>(whole_batches);
  for (int i = 0; i < 1000; ++i) {
    Feed feed(source, {.steps_per_epoch = 100, .max_queue_size = 2}, cpu());
    for (int step = 0; step < i % 4; ++step) feed.release(feed.next().value());
  }
  EXPECT_TRUE(thread_count_falls_to(threads)) << thread_count() << " threads, not " << threads;
}

TEST(Feed, two_feeds_run_at_once) {
  const auto training = std::make_shared<Scripted>(whole_batches);
  const auto validation = std::make_shared<Scripted>(ends_after(10));
  Feed train(training, {.epochs = 5, .steps_per_epoch = 20}, cpu());
  for (int epoch = 0; epoch < 5; ++epoch) {
    ASSERT_EQ(run_epoch(train).size(), 20U);
    Feed validate(validation, {}, cpu());
    ASSERT_EQ(run_epoch(validate).size(), 10U);
  }
}

// ---- Waiting ----
void work_for(std::int64_t nanoseconds) {
  const std::int64_t end = now_ns() + nanoseconds;
  while (now_ns() < end) {
  }
}

// Either side is now and then late by up to 200 microseconds, so that both spin, sleep and wake.
void stress(int max_queue_size, std::uint64_t seed) {
  constexpr std::int64_t kBatches = 3000;
  const auto source = std::make_shared<Scripted>([](BatchContext& batch, std::span<float>) {
    if (batch.random.integer(0, 8) == 0) work_for(batch.random.integer(0, 200'000));
    return 4;
  });
  Feed feed(source, {.steps_per_epoch = kBatches, .max_queue_size = max_queue_size, .seed = seed},
            cpu());
  Random random(seed);
  std::int64_t expected = 0;
  while (const std::optional<Batch> batch = feed.next()) {
    if (random.integer(0, 8) == 0) work_for(random.integer(0, 200'000));
    ASSERT_EQ(batch->sequence, expected);
    for (std::size_t i = 0; i < 8; ++i) {
      ASSERT_EQ(x_of(feed, *batch)[i], static_cast<float>(expected));
    }
    ++expected;
    feed.release(*batch);
  }
  EXPECT_EQ(expected, kBatches);
}

TEST(Feed, no_wakeup_is_lost_when_either_side_is_late) {
  stress(1, 1);
  stress(2, 2);
  stress(10, 3);
}

TEST(Feed, the_report_divides_the_time_since_the_last_one) {
  const auto source = std::make_shared<Scripted>([](BatchContext&, std::span<float>) {
    work_for(1'000'000);
    return 4;
  });
  Feed feed(source, {.epochs = 2, .steps_per_epoch = 10}, cpu());
  run_epoch(feed);
  const FeedReport first = feed.take_report();
  EXPECT_EQ(first.batches, 10);
  EXPECT_EQ(first.samples, 40);
  EXPECT_GE(first.generated, 0.010);
  EXPECT_GT(first.waited_for_generator, 0.0);
  EXPECT_EQ(first.workers, 1);
  run_epoch(feed);
  const FeedReport second = feed.take_report();
  EXPECT_EQ(second.batches, 10);
  EXPECT_GT(second.generated, 0.0);
  const FeedReport nothing = feed.take_report();
  EXPECT_EQ(nothing.batches, 0);
  EXPECT_EQ(nothing.generated, 0.0);
  EXPECT_EQ(nothing.waited_for_generator, 0.0);
  const TimelineTotals totals = feed.timeline().snapshot();
  EXPECT_EQ(totals[Stage::generate].count, 20U);
}

}  // namespace
}  // namespace stoker::feed

// Stages with threads of their own: the same elements in the same order, for any number of them.
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <mutex>
#include <numeric>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "device/device.h"
#include "feed/feed.h"
#include "support/allocation_counter.h"
#include "support/contains.h"
#include "support/message.h"
#include "support/sanitizer.h"

namespace stoker {
namespace {

using test::contains;
using test::message_of;
using Ints = std::vector<std::int32_t>;
using IntSet = Dataset<std::int32_t>;

Ints values_of(const IntSet& dataset, std::int64_t epoch = 0) {
  Ints all;
  dataset.for_each(
      [&](std::span<const std::int32_t> x) { all.insert(all.end(), x.begin(), x.end()); }, epoch);
  return all;
}

// One after another.
IntSet serial(std::int32_t count) {
  return IntSet::from_generator({Shape{}}, [count](std::int64_t) {
    return [count, next = 0](std::span<std::int32_t> out) mutable {
      out[0] = next;
      return next++ < count;
    };
  });
}

void add_noise(MapContext& context, std::span<std::int32_t> x) {
  for (auto& value : x) {
    value = 1000 * value + static_cast<std::int32_t>(context.random.integer(0, 1000));
  }
}
void to_pair(std::span<const std::int32_t> x, std::span<std::int32_t> pair) {
  pair[0] = x[0];
  pair[1] = -x[0];
}

MapOptions with(std::optional<int> workers) { return {.workers = workers}; }
constexpr std::optional<int> kNumbers[] = {std::nullopt, 1, 2, 7, AUTOTUNE};

// ---- The same elements ----
TEST(DatasetThreads, any_number_of_them_makes_the_same_elements) {
  std::vector<IntSet (*)(std::optional<int>)> pipelines = {
      [](std::optional<int> n) { return range(3000).map(add_noise, with(n)); },
      [](std::optional<int> n) { return serial(3000).map(add_noise, with(n)); },
      [](std::optional<int> n) {
        return serial(3000).map<std::int32_t>({Shape{2}}, to_pair, with(n)).map(add_noise, with(n));
      },
      [](std::optional<int> n) {
        return range(3000).map(add_noise, with(n)).shuffle(3000, 3).map(add_noise);
      },
      [](std::optional<int> n) {
        return range(3000).shuffle(50, 3).map(add_noise, with(n)).shuffle(20, 1).repeat(2);
      },
      [](std::optional<int> n) {
        return range(3000).map(add_noise, with(n)).skip(7).shard(3, 1).map(add_noise, with(n));
      },
      [](std::optional<int> n) {
        return range(500).map(add_noise, with(n)).concatenate(serial(400).map(add_noise, with(n)));
      },
      [](std::optional<int> n) {
        return range(500)
            .map(add_noise, with(n))
            .window(5, {.shift = 2})
            .padded_batch(3, {Shape{5}});
      },
      [](std::optional<int> n) {
        return range(3001).map(add_noise).batch(64, {.workers = n}).map(add_noise);
      },
      [](std::optional<int> n) { return serial(3001).batch(64, {.workers = n}).prefetch(); },
      [](std::optional<int> n) { return range(3001).map(add_noise, with(n)).prefetch(5).batch(7); },
  };
  for (std::size_t i = 0; i < pipelines.size(); ++i) {
    for (const std::int64_t epoch : {0, 1}) {
      const Ints expected = values_of(pipelines[i](std::nullopt), epoch);
      ASSERT_FALSE(expected.empty());
      for (const std::optional<int> workers : kNumbers) {
        EXPECT_EQ(values_of(pipelines[i](workers), epoch), expected)
            << i << ", " << workers.value_or(0) << " workers";
      }
    }
  }
}

// Takes some tenths of a millisecond.
void compute_for_a_while() {
  volatile double x = 1.0;
  for (int i = 0; i < 100'000; ++i) x = x * 1.000001;
}

// Where a thread waits for another one to come.
class Meeting {
 public:
  // Returns when a call has had `is_together`, or after a minute, in which the test fails.
  void wait(bool is_together) {
    std::unique_lock lock(mutex_);
    if (is_together) {
      met_ = true;
      came_.notify_all();
    }
    came_.wait_for(lock, std::chrono::minutes(1), [&] { return met_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable came_;
  bool met_ = false;
};

TEST(DatasetThreads, elements_of_any_size_and_cost_come_in_order) {
  for (const std::int64_t size : {1, 100, 5000, 100000}) {
    for (const auto& source : {range(120), serial(120)}) {
      std::int32_t next = 0;
      source
          .map<std::int32_t>({Shape{size}},
                             [](std::span<const std::int32_t> x, std::span<std::int32_t> out) {
                               if (x[0] % 17 == 3) compute_for_a_while();
                               std::ranges::fill(out, x[0]);
                             },
                             {.workers = 3})
          .for_each([&](std::span<const std::int32_t> x) {
            ASSERT_EQ(x.size(), static_cast<std::size_t>(size));
            ASSERT_EQ(std::ranges::count(x, next), size);
            ++next;
          });
      EXPECT_EQ(next, 120);
    }
  }
}

TEST(DatasetThreads, a_number_is_obeyed_where_elements_can_be_asked_for_by_number) {
  for (const int workers : {1, 3}) {
    std::atomic<int> now{0};
    std::atomic<int> most{0};
    Meeting another_came;
    const auto batches = range(300)
                             .map(
                                 [&](std::span<std::int32_t>) {
                                   const int mine = ++now;
                                   int seen = most;
                                   while (mine > seen && !most.compare_exchange_weak(seen, mine)) {
                                   }
                                   // Another thread comes in if there may be one.
                                   if (workers > 1) another_came.wait(mine > 1);
                                   --now;
                                 },
                                 {.workers = workers})
                             .batch(10);
    const auto device = device::make_cpu_device();
    feed::Feed feed(batches.source().source(), {.epochs = 1, .workers = 8, .warn = [](auto&) {}},
                    *device);
    while (const auto batch = feed.next()) feed.release(*batch);
    EXPECT_LE(most, workers);
    if (workers > 1) {
      EXPECT_GT(most, 1);
    }
  }
}

TEST(DatasetThreads, without_a_number_batches_are_asked_for_by_number) {
  EXPECT_TRUE(range(9).map(add_noise).batch(2).source().source()->pure());
  EXPECT_TRUE(range(9).shuffle(3).batch(2).source().source()->pure());
  EXPECT_FALSE(range(9).map(add_noise, with(2)).batch(2).source().source()->pure());
  EXPECT_FALSE(range(9).batch(2, {.workers = 2}).source().source()->pure());
}

// ---- Shuffles with a small buffer ----
TEST(DatasetThreads, a_buffer_over_numbers_gives_the_order_of_one_over_a_stream) {
  for (const std::int64_t buffer : {1, 2, 10, 99}) {
    for (const bool again : {true, false}) {
      const ShuffleOptions options{.reshuffle_each_iteration = again};
      const auto numbers = range(100).take(-1).shuffle(buffer, 3, options);
      // One stage before, as there, since a shuffle's numbers depend on that.
      const auto stream = range(100).filter([](auto) { return true; }).shuffle(buffer, 3, options);
      EXPECT_TRUE(numbers.is_random_access());
      EXPECT_FALSE(stream.is_random_access());
      for (const std::int64_t epoch : {0, 1, 5}) {
        EXPECT_EQ(values_of(numbers, epoch), values_of(stream, epoch)) << buffer;
        EXPECT_EQ(values_of(numbers.repeat(3), epoch), values_of(stream.repeat(3), epoch));
      }
    }
  }
}

// The order that seeds have always given.
TEST(DatasetThreads, a_buffer_over_numbers_keeps_its_order) {
  EXPECT_EQ(values_of(range(12).shuffle(4, 7)), (Ints{2, 1, 4, 6, 0, 7, 5, 10, 9, 3, 11, 8}));
}

TEST(DatasetThreads, a_buffer_over_very_many_numbers_stays_a_buffer) {
  const auto many = range(10).repeat(std::int64_t{1} << 60).shuffle(5, 1);
  EXPECT_FALSE(many.is_random_access());
  EXPECT_EQ(values_of(many.take(30)).size(), 30U);
}

// ---- Errors ----
TEST(DatasetThreads, errors_come_behind_the_elements_before_them) {
  for (const auto& source : {range(1000), serial(1000)}) {
    for (const std::optional<int> workers : kNumbers) {
      const auto failing = source.map(
          [](std::span<std::int32_t> x) {
            if (x[0] == 437 || x[0] == 438) throw std::out_of_range("no such file");
          },
          with(workers));
      Ints before;
      EXPECT_EQ(
          message_of<DataError>([&] { failing.for_each([&](auto x) { before.push_back(x[0]); }); }),
          "Dataset, map, element 437: no such file");
      ASSERT_EQ(before.size(), 437U);
      EXPECT_EQ(before.back(), 436);
      const auto far = failing.map([](std::span<std::int32_t>) {}, with(workers)).prefetch();
      EXPECT_TRUE(contains(message_of<DataError>([&] { values_of(far); }), "element 437"));
    }
  }
}

TEST(DatasetThreads, what_is_no_exception_class_comes_out_too) {
  const auto failing = serial(50).map([](std::span<std::int32_t>) { throw 5; }, with(3));
  EXPECT_TRUE(contains(message_of<DataError>([&] { values_of(failing); }), "no std::exception"));
}

TEST(DatasetThreads, numbers_of_workers_that_make_no_sense_are_refused) {
  for (const int workers : {0, -2, 1025, 2000}) {
    EXPECT_TRUE(contains(message_of<ValueError>([&] { range(3).map(add_noise, with(workers)); }),
                         "Dataset::map: expected 1 to 1024 workers or AUTOTUNE"));
    EXPECT_THROW(range(3).batch(2, {.workers = workers}), ValueError);
  }
}

// ---- Beginnings and ends ----
std::ptrdiff_t threads_of_this_process() {
  const std::filesystem::directory_iterator tasks("/proc/self/task");
  return std::distance(begin(tasks), end(tasks));
}

TEST(DatasetThreads, loops_that_are_left_early_leave_no_thread) {
  const auto numbers = range(1000).map(add_noise, with(2)).batch(3, {.workers = 2});
  const auto stream =
      serial(1000).map(add_noise, with(2)).map(add_noise, with(AUTOTUNE)).prefetch();
  std::thread([] {}).join();  // a sanitizer starts a thread of its own with the first one
  const std::ptrdiff_t before = threads_of_this_process();
  for (int i = 0; i < 1000; ++i) {
    for (const auto& element : numbers) {
      static_cast<void>(element);
      break;
    }
    int left = i % 4;
    for (const auto& element : stream) {
      static_cast<void>(element);
      if (left-- == 0) break;
    }
  }
  while (threads_of_this_process() > before) std::this_thread::yield();
  EXPECT_LE(threads_of_this_process(), before);
}

TEST(DatasetThreads, two_passes_at_once_do_not_disturb_each_other) {
  const auto mapped = serial(2000).map(add_noise, with(2)).prefetch(3);
  const Ints expected = values_of(mapped);
  auto a = mapped.begin();
  auto b = mapped.begin();
  Ints from_a, from_b;
  for (; a != mapped.end(); ++a) {
    from_a.push_back(std::get<0>(*a)[0]);
    if (from_a.size() % 3 == 0) {
      from_b.push_back(std::get<0>(*b)[0]);
      ++b;
    }
  }
  for (; b != mapped.end(); ++b) from_b.push_back(std::get<0>(*b)[0]);
  EXPECT_EQ(from_a, expected);
  EXPECT_EQ(from_b, expected);
  Ints in_threads[2];
  std::thread other([&] { in_threads[0] = values_of(mapped); });
  in_threads[1] = values_of(mapped);
  other.join();
  EXPECT_EQ(in_threads[0], expected);
  EXPECT_EQ(in_threads[1], expected);
}

#if !STOKER_SANITIZED_MALLOC
TEST(DatasetThreads, no_memory_is_taken_once_they_run) {
  for (const auto& source : {range(100000), serial(100000)}) {
    std::optional<test::AllocationCounter> allocations;
    std::int64_t seen = 0;
    std::uint64_t taken = 0;
    source.map([](std::span<std::int32_t> x) { ++x[0]; }, with(2)).prefetch().for_each([&](auto) {
      if (++seen == 50000) allocations.emplace();
      if (seen == 99000) taken = allocations->count();
    });
    EXPECT_EQ(taken, 0U);
  }
}
#endif  // !STOKER_SANITIZED_MALLOC

}  // namespace
}  // namespace stoker

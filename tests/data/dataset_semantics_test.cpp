// What tf.data means, in the corners where data would be wrong without an error.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "device/device.h"
#include "feed/feed.h"
#include "stoker/dataset.h"
#include "support/contains.h"
#include "support/message.h"

namespace stoker {
namespace {

using test::contains;
using test::message_of;
using Ints = std::vector<std::int32_t>;

Ints values_of(const Dataset<std::int32_t>& dataset) {
  Ints all;
  dataset.for_each(
      [&](std::span<const std::int32_t> x) { all.insert(all.end(), x.begin(), x.end()); });
  return all;
}

// One after another, not by number; fails where it is asked again after its end.
Dataset<std::int32_t> serial(std::int32_t count) {
  return Dataset<std::int32_t>::from_generator({Shape{}}, [count](std::int64_t) {
    return [count, next = 0](std::span<std::int32_t> out) mutable {
      EXPECT_LE(next, count) << "asked again after the end";
      if (next++ == count) return false;
      out[0] = next - 1;
      return true;
    };
  });
}

// The rows that a feed hands on.
Ints fed(const SourceHandle& source, feed::FeedOptions options) {
  const auto device = device::make_cpu_device();
  const std::int64_t epochs = options.epochs;
  feed::Feed feed(source.source(), std::move(options), *device);
  Ints all;
  for (std::int64_t epoch = 0; epoch < epochs; ++epoch) {
    while (const auto batch = feed.next()) {
      const auto* x =
          reinterpret_cast<const std::int32_t*>(batch->block + feed.layout().offsets[0]);
      all.insert(all.end(), x, x + batch->rows);
      feed.release(*batch);
    }
  }
  return all;
}

TEST(DatasetSemantics, an_endless_one_goes_on_over_epochs_by_number_too) {
  const auto endless = range(5).repeat().batch(2);
  ASSERT_TRUE(endless.is_random_access());
  for (const int workers : {1, 4}) {
    EXPECT_EQ(fed(endless, {.epochs = 2, .steps_per_epoch = 2, .workers = workers}),
              (Ints{0, 1, 2, 3, 4, 0, 1, 2}))
        << workers;
  }
}

// As Keras with an iterator: it is the data set's place that counts, not the training's.
TEST(DatasetSemantics, an_endless_one_begins_anew_at_a_later_first_epoch_and_skip_goes_on) {
  for (const auto& source : {range(7), serial(7)}) {
    const auto endless =
        source.shuffle(7, 3)
            .repeat()
            .map<std::int32_t>({Shape{}},
                               [](MapContext& context, std::span<const std::int32_t> in,
                                  std::span<std::int32_t> out) {
                                 out[0] = in[0] + 10 * context.random.integer(0, 1000);
                               })
            .batch(2);
    const Ints all = fed(endless, {.epochs = 3, .steps_per_epoch = 4});
    const auto third = all.begin() + 2 * 4 * 2;
    const feed::FeedOptions later{.epochs = 1, .first_epoch = 2, .steps_per_epoch = 4};
    EXPECT_EQ(fed(endless, later), Ints(all.begin(), all.begin() + 4 * 2));
    EXPECT_EQ(fed(endless.skip(2 * 4), later), Ints(third, all.end()));
  }
}

// Batches ask for many elements at a time, the loop for one after another.
TEST(DatasetSemantics, batches_hold_what_a_loop_over_the_elements_finds) {
  const auto randomly = [](MapContext& context, std::span<std::int32_t> x) {
    x[0] += 1000 * static_cast<std::int32_t>(context.random.integer(0, 1000));
  };
  const auto to_another = [](std::span<const std::int32_t> in, std::span<std::int32_t> out) {
    out[0] = in[0] + 7;
  };
  const Dataset<std::int32_t> all[] = {
      range(200),
      range(200).skip(3).shard(2, 1).map(randomly),
      range(50).shuffle(50, 1).repeat(4).map(randomly),
      range(200).map(randomly).shuffle(200, 2).take(150),
      range(30).concatenate(range(100)).map<std::int32_t>({Shape{}}, to_another).map(randomly),
      range(70).shuffle(70, 3).map<std::int32_t>({Shape{}}, to_another).repeat(2).skip(1)};
  for (const auto& elements : all) {
    ASSERT_TRUE(elements.is_random_access());
    for (const std::int64_t size : {1, 64, 65, 130, 500}) {
      EXPECT_EQ(values_of(elements.batch(size)), values_of(elements)) << size;
    }
  }
}

TEST(DatasetSemantics, a_short_batch_stays_short_through_a_map_to_other_types) {
  for (const auto& source : {range(5), serial(5)}) {
    const auto mapped = source.batch(2).map<std::int32_t>(
        {Shape{2}}, [](std::span<const std::int32_t> in, std::span<std::int32_t> out) {
          for (std::size_t i = 0; i < in.size(); ++i) out[i] = in[i] + 10;
        });
    EXPECT_EQ(values_of(mapped), (Ints{10, 11, 12, 13, 14}));
    EXPECT_EQ(fed(mapped, {}), (Ints{10, 11, 12, 13, 14}));
  }
}

TEST(DatasetSemantics, a_filter_and_a_map_see_only_the_rows_that_there_are) {
  std::vector<std::size_t> seen;
  values_of(serial(5).window(3).filter([&](std::span<const std::int32_t> x) {
    seen.push_back(x.size());
    return true;
  }));
  values_of(serial(5).batch(3).map([&](std::span<std::int32_t> x) { seen.push_back(x.size()); }));
  EXPECT_EQ(seen, (std::vector<std::size_t>{3, 2, 3, 2}));
}

TEST(DatasetSemantics, batch_refuses_elements_of_different_shapes) {
  EXPECT_THROW(values_of(range(5).window(3).batch(2)), ShapeError);
  EXPECT_THROW(values_of(range(5).batch(2).batch(3)), ShapeError);
  EXPECT_EQ(values_of(range(6).batch(2).batch(2)), (Ints{0, 1, 2, 3, 4, 5}));
}

TEST(DatasetSemantics, padded_batch_refuses_shapes_of_another_rank) {
  EXPECT_THROW(range(4).window(2).padded_batch(2, {Shape{2, 2}}), ShapeError);
}

TEST(DatasetSemantics, a_short_batch_comes_back_short_from_a_file) {
  const std::string path =
      (std::filesystem::temp_directory_path() / ("stoker-short-" + std::to_string(getpid())))
          .string();
  std::filesystem::remove(path);
  const auto make = [&] { return serial(5).batch(2).cache(path); };
  EXPECT_EQ(fed(make(), {}), (Ints{0, 1, 2, 3, 4}));
  EXPECT_EQ(fed(make(), {}), (Ints{0, 1, 2, 3, 4}));
  std::filesystem::remove(path);
}

// The example of tf.data.Dataset.interleave's documentation.
TEST(DatasetSemantics, interleave_opens_the_next_one_when_the_turn_comes_round) {
  const auto sixes = [](std::span<const std::int32_t> x) {
    return range(x[0], x[0] + 1).repeat(6);
  };
  EXPECT_EQ(values_of(range(1, 6).interleave(sixes, {.cycle_length = 2, .block_length = 4})),
            (Ints{1, 1, 1, 1, 2, 2, 2, 2, 1, 1, 2, 2, 3, 3, 3,
                  3, 4, 4, 4, 4, 3, 3, 4, 4, 5, 5, 5, 5, 5, 5}));
}

TEST(DatasetSemantics, a_generator_is_not_asked_again_after_its_end) {
  EXPECT_EQ(values_of(serial(3).batch(2)), (Ints{0, 1, 2}));
  EXPECT_EQ(values_of(serial(1).concatenate(range(2))), (Ints{0, 0, 1}));
}

TEST(DatasetSemantics, enumerate_of_an_endless_one_is_endless) {
  EXPECT_EQ(range(3).repeat().enumerate().cardinality(), Dataset<std::int32_t>::kInfinite);
}

TEST(DatasetSemantics, branches_draw_numbers_of_their_own) {
  const auto noise = [](MapContext& context, std::span<std::int32_t> x) {
    x[0] = static_cast<std::int32_t>(context.random.word() >> 1);
  };
  const auto noisy = range(8).map(noise);
  zip(noisy, noisy).for_each([](auto a, auto b) { EXPECT_NE(a[0], b[0]); });
  const Ints both = values_of(noisy.concatenate(noisy));
  for (std::size_t i = 0; i < 8; ++i) EXPECT_NE(both[i], both[i + 8]);
  const Ints lanes = values_of(range(2).interleave([&](auto) { return noisy; }));
  for (std::size_t i = 0; i < 16; i += 2) EXPECT_NE(lanes[i], lanes[i + 1]);
}

TEST(DatasetSemantics, a_generator_may_own_what_cannot_be_copied) {
  const auto owning = Dataset<std::int32_t>::from_generator({Shape{}}, [](std::int64_t) {
    return [left = std::make_unique<int>(2)](std::span<std::int32_t> out) {
      out[0] = *left;
      return (*left)-- > 0;
    };
  });
  EXPECT_EQ(values_of(owning), (Ints{2, 1}));
  EXPECT_EQ(values_of(owning), (Ints{2, 1}));
}

TEST(DatasetSemantics, a_map_to_other_types_has_workers_and_keeps_the_order) {
  const auto run = [](const Dataset<std::int32_t>& source, int workers) {
    std::vector<float> all;
    source
        .map<float>({Shape{2}},
                    [](MapContext& context, std::span<const std::int32_t> x, std::span<float> out) {
                      out[0] = static_cast<float>(x[0]);
                      out[1] = context.random.uniform();
                    },
                    {.workers = workers})
        .for_each([&](std::span<const float> x) { all.insert(all.end(), x.begin(), x.end()); });
    return all;
  };
  const std::vector<float> one = run(serial(300), 1);
  ASSERT_EQ(one.size(), 600U);
  for (std::size_t i = 0; i < 300; ++i) EXPECT_EQ(one[2 * i], static_cast<float>(i));
  EXPECT_EQ(run(serial(300), 4), one);
  EXPECT_EQ(run(range(300), 3), one);
}

std::ptrdiff_t threads_of_this_process() {
  const std::filesystem::directory_iterator tasks("/proc/self/task");
  return std::distance(begin(tasks), end(tasks));
}

TEST(DatasetSemantics, a_thousand_starts_and_stops_leave_no_thread) {
  const auto ahead =
      serial(100).map([](std::span<std::int32_t>) {}, {.workers = 2}).prefetch(2).take(1);
  std::thread([] {}).join();  // a sanitizer starts a thread of its own with the first one
  const std::ptrdiff_t before = threads_of_this_process();
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(values_of(ahead), (Ints{0}));
  // A joined thread may be listed for a moment.
  while (threads_of_this_process() > before) std::this_thread::yield();
  EXPECT_LE(threads_of_this_process(), before);
}

TEST(DatasetSemantics, repeats_within_endless_repeats_have_epochs_of_their_own) {
  const auto shuffled = range(9).shuffle(9, 1).repeat(2).repeat().take(90);
  Ints first, second;
  shuffled.for_each([&](auto x) { first.push_back(x[0]); }, 0);
  shuffled.for_each([&](auto x) { second.push_back(x[0]); }, 1);
  EXPECT_NE(first, second);
}

}  // namespace
}  // namespace stoker

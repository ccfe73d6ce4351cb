#include "stoker/dataset.h"

#include <gtest/gtest.h>
#include <stoker/stoker.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "device/device.h"
#include "feed/feed.h"
#include "support/contains.h"
#include "support/message.h"

namespace stoker {
namespace {

using test::contains;
using test::message_of;
using Ints = std::vector<std::int32_t>;

template <class... T>
Ints first_values(const Dataset<T...>& dataset, std::int64_t epoch = 0) {
  Ints all;
  dataset.for_each(
      [&](auto first, auto...) {
        all.insert(all.end(), first.begin(), first.end());
        if (first.size() > 1) all.push_back(-1);  // the end of a batch
      },
      epoch);
  return all;
}

// The same elements, one after another: not to be asked for by number.
Dataset<std::int32_t> serial(std::int32_t count) {
  return Dataset<std::int32_t>::from_generator({Shape{}}, [count](std::int64_t) {
    return [count, next = 0](std::span<std::int32_t> out) mutable {
      if (next == count) return false;
      out[0] = next++;
      return true;
    };
  });
}

// ---- Which elements ----
TEST(Dataset, range_take_skip_and_shard) {
  EXPECT_EQ(first_values(range(4)), (Ints{0, 1, 2, 3}));
  EXPECT_EQ(first_values(range(5, 0, -2)), (Ints{5, 3, 1}));
  EXPECT_EQ(first_values(range(3, 3)), (Ints{}));
  for (const auto& source : {range(7), serial(7)}) {
    EXPECT_EQ(first_values(source.take(2)), (Ints{0, 1}));
    EXPECT_EQ(first_values(source.take(-1)).size(), 7U);
    EXPECT_EQ(first_values(source.take(9)).size(), 7U);
    EXPECT_EQ(first_values(source.skip(5)), (Ints{5, 6}));
    EXPECT_EQ(first_values(source.skip(9)), (Ints{}));
    EXPECT_EQ(first_values(source.skip(-1)), (Ints{}));
    EXPECT_EQ(first_values(source.shard(3, 1)), (Ints{1, 4}));
    EXPECT_EQ(first_values(source.shard(3, 0)), (Ints{0, 3, 6}));
    EXPECT_EQ(first_values(source.skip(1).take(2).repeat(2)), (Ints{1, 2, 1, 2}));
  }
  EXPECT_THROW(range(7).shard(3, 3), ValueError);
}

TEST(Dataset, cardinality_is_told_where_it_is_known) {
  EXPECT_EQ(range(10).batch(3).cardinality(), 4);
  EXPECT_EQ(range(10).batch(3, {.drop_remainder = true}).cardinality(), 3);
  EXPECT_EQ(range(10).repeat().cardinality(), Dataset<std::int32_t>::kInfinite);
  EXPECT_EQ(range(10).repeat(3).skip(5).cardinality(), 25);
  EXPECT_EQ(range(10).repeat().take(7).cardinality(), 7);
  EXPECT_EQ(range(10).filter([](auto) { return true; }).cardinality(),
            Dataset<std::int32_t>::kUnknown);
  EXPECT_EQ(zip(range(10), range(4)).cardinality(), 4);
  EXPECT_EQ(serial(3).cardinality(), Dataset<std::int32_t>::kUnknown);
}

TEST(Dataset, repeat_for_ever_and_repeat_of_nothing) {
  EXPECT_EQ(first_values(range(2).repeat().take(5)), (Ints{0, 1, 0, 1, 0}));
  EXPECT_EQ(first_values(serial(2).repeat().take(5)), (Ints{0, 1, 0, 1, 0}));
  EXPECT_EQ(first_values(serial(0).repeat()), (Ints{}));
  EXPECT_EQ(first_values(range(3).repeat(0)), (Ints{}));
}

TEST(Dataset, filter_concatenate_zip_and_enumerate) {
  const auto even = [](std::span<const std::int32_t> x) { return x[0] % 2 == 0; };
  EXPECT_EQ(first_values(range(7).filter(even)), (Ints{0, 2, 4, 6}));
  EXPECT_EQ(first_values(range(2).concatenate(serial(2))), (Ints{0, 1, 0, 1}));
  Ints pairs;
  zip(range(3), serial(9)).for_each([&](auto a, auto b) { pairs.push_back(10 * a[0] + b[0]); });
  EXPECT_EQ(pairs, (Ints{0, 11, 22}));
  Ints numbered;
  range(5, 8).enumerate().for_each([&](auto n, auto x) { numbered.push_back(10 * n[0] + x[0]); });
  EXPECT_EQ(numbered, (Ints{5, 16, 27}));
}

// ---- Orders ----
TEST(Dataset, a_whole_shuffle_is_another_order_of_everything_each_epoch) {
  const auto shuffled = range(50).shuffle(50, 7);
  EXPECT_TRUE(shuffled.is_random_access());
  const Ints first = first_values(shuffled, 0);
  EXPECT_EQ(std::set<std::int32_t>(first.begin(), first.end()).size(), 50U);
  EXPECT_NE(first_values(shuffled, 1), first);
  EXPECT_EQ(first_values(shuffled, 0), first);
  EXPECT_NE(first_values(range(50).shuffle(50, 8), 0), first);
  const auto once = range(50).shuffle(50, 7, {.reshuffle_each_iteration = false});
  EXPECT_EQ(first_values(once, 3), first_values(once, 0));
}

TEST(Dataset, a_shuffle_with_a_small_buffer_moves_nothing_forward_by_more_than_that) {
  for (const auto& source : {range(100), serial(100)}) {
    const Ints all = first_values(source.shuffle(10, 3));
    ASSERT_EQ(all.size(), 100U);
    EXPECT_EQ(std::set<std::int32_t>(all.begin(), all.end()).size(), 100U);
    for (std::size_t i = 0; i < all.size(); ++i) EXPECT_LT(all[i], static_cast<int>(i) + 10);
    EXPECT_FALSE(std::is_sorted(all.begin(), all.end()));
    EXPECT_EQ(first_values(source.shuffle(10, 3)), all);
    EXPECT_NE(first_values(source.shuffle(10, 3), 1), all);
  }
}

TEST(Dataset, each_round_of_a_repeat_is_shuffled_anew) {
  const Ints all = first_values(range(20).shuffle(20, 1).repeat(2));
  ASSERT_EQ(all.size(), 40U);
  EXPECT_FALSE(std::equal(all.begin(), all.begin() + 20, all.begin() + 20));
  EXPECT_EQ(std::set<std::int32_t>(all.begin(), all.begin() + 20).size(), 20U);
}

// ---- Maps ----
TEST(Dataset, maps_in_place_and_to_other_types) {
  const auto doubled = range(3).map([](std::span<std::int32_t> x) { x[0] *= 2; });
  EXPECT_EQ(first_values(doubled), (Ints{0, 2, 4}));
  const auto floats =
      doubled.map<float>({Shape{2}}, [](std::span<const std::int32_t> x, std::span<float> out) {
        out[0] = static_cast<float>(x[0]);
        out[1] = 0.5f;
      });
  std::vector<float> all;
  floats.for_each([&](auto x) { all.insert(all.end(), x.begin(), x.end()); });
  EXPECT_EQ(all, (std::vector<float>{0, 0.5f, 2, 0.5f, 4, 0.5f}));
}

TEST(Dataset, the_same_map_twice_does_not_get_into_its_own_way) {
  const auto add = [](std::span<const float> x, std::span<float> y) { y[0] = x[0] + 1.0f; };
  const auto floats = range(3).map<float>(
      {Shape{1}}, [](std::span<const std::int32_t> x, std::span<float> y) { y[0] = 10.0f * x[0]; });
  std::vector<float> all;
  floats.map<float>({Shape{1}}, add).map<float>({Shape{1}}, add).for_each([&](auto x) {
    all.push_back(x[0]);
  });
  EXPECT_EQ(all, (std::vector<float>{2, 12, 22}));
}

TEST(Dataset, random_numbers_of_a_map_belong_to_the_element) {
  const auto noisy = [](const Dataset<std::int32_t>& source, int workers) {
    return source.map(
        [](MapContext& context, std::span<std::int32_t> x) {
          x[0] = static_cast<std::int32_t>(context.random.word() & 0x7fffffffU);
        },
        {.workers = workers});
  };
  const Ints one = first_values(noisy(serial(40), 1));
  EXPECT_EQ(first_values(noisy(serial(40), 4)), one);
  EXPECT_EQ(first_values(noisy(range(40), 1)), one);
  EXPECT_NE(first_values(noisy(range(40), 1), 1), one);
  EXPECT_EQ(std::set<std::int32_t>(one.begin(), one.end()).size(), 40U);
}

TEST(Dataset, workers_of_a_map_give_elements_in_order) {
  const auto mapped = serial(500).map([](std::span<std::int32_t> x) { x[0] += 1; }, {.workers = 4});
  Ints expected(500);
  std::iota(expected.begin(), expected.end(), 1);
  EXPECT_EQ(first_values(mapped), expected);
  EXPECT_EQ(first_values(mapped.take(3)), (Ints{1, 2, 3}));  // and stop in the middle
  EXPECT_EQ(first_values(serial(100).prefetch(3)), first_values(serial(100)));
}

TEST(Dataset, what_a_map_throws_names_the_stage_and_the_element) {
  for (const int workers : {1, 3}) {
    const auto failing = serial(10).map(
        [](std::span<std::int32_t> x) {
          if (x[0] == 4) throw std::out_of_range("no such file");
        },
        {.workers = workers});
    Ints before;
    const std::string message =
        message_of<DataError>([&] { failing.for_each([&](auto x) { before.push_back(x[0]); }); });
    EXPECT_EQ(message, "Dataset, map, element 4: no such file");
    EXPECT_EQ(before, (Ints{0, 1, 2, 3})) << workers;
  }
}

// ---- Batches ----
TEST(Dataset, batches_and_their_remainder) {
  for (const auto& source : {range(5), serial(5)}) {
    EXPECT_EQ(first_values(source.batch(2)), (Ints{0, 1, -1, 2, 3, -1, 4}));
    EXPECT_EQ(first_values(source.batch(2, {.drop_remainder = true})), (Ints{0, 1, -1, 2, 3, -1}));
    EXPECT_EQ(first_values(source.batch(2).unbatch()), (Ints{0, 1, 2, 3, 4}));
  }
  EXPECT_EQ(range(5).batch(2).element_shapes()[0], (Shape{2}));
  EXPECT_THROW(range(5).batch(0), ValueError);
}

// Element n is n ones.
Dataset<std::int32_t> ragged(std::int32_t count) {
  return serial(count)
      .map<std::int32_t>({Shape{3}}, [](auto x, auto out) { std::ranges::fill(out, x[0]); })
      .window(1)
      .unbatch();
}

TEST(Dataset, padded_batch_fills_up_to_the_longest_or_to_a_given_shape) {
  // Windows of 3 over 5 elements: the last has two.
  const auto windows = serial(5).window(3);
  EXPECT_EQ(first_values(windows), (Ints{0, 1, 2, -1, 3, 4, -1}));
  const auto longest = windows.padded_batch(2, {Shape{Shape::kUnknown}}, {9});
  EXPECT_EQ(first_values(longest), (Ints{0, 1, 2, 3, 4, 9, -1}));
  const auto fixed = windows.padded_batch(2, {Shape{4}}, {7});
  EXPECT_EQ(first_values(fixed), (Ints{0, 1, 2, 7, 3, 4, 7, 7, -1}));
  EXPECT_EQ(fixed.element_shapes()[0], (Shape{2, 4}));
  EXPECT_THROW(first_values(windows.padded_batch(2, {Shape{2}})), ShapeError);
  EXPECT_EQ(first_values(ragged(2)), (Ints{0, 0, 0, -1, 1, 1, 1, -1}));
}

TEST(Dataset, windows_shift_stride_and_drop) {
  EXPECT_EQ(first_values(range(7).window(3, {.shift = 2})),
            (Ints{0, 1, 2, -1, 2, 3, 4, -1, 4, 5, 6, -1, 6}));
  EXPECT_EQ(first_values(range(7).window(3, {.shift = 2, .drop_remainder = true})),
            (Ints{0, 1, 2, -1, 2, 3, 4, -1, 4, 5, 6, -1}));
  EXPECT_EQ(first_values(range(7).window(3, {.shift = 1, .stride = 2, .drop_remainder = true})),
            (Ints{0, 2, 4, -1, 1, 3, 5, -1, 2, 4, 6, -1}));
  EXPECT_EQ(range(7).window(3, {.shift = 2, .drop_remainder = true}).cardinality(), 3);
  EXPECT_EQ(range(7).window(3, {.shift = 2}).cardinality(), 4);
}

TEST(Dataset, interleave_takes_blocks_in_turn_and_opens_the_next_in_its_turn) {
  const auto lanes = [](std::span<const std::int32_t> x) {
    return range(10 * x[0], 10 * x[0] + x[0] + 1);
  };
  // Data sets {10, 11}, {20, 21, 22}, {30, 31, 32, 33}.
  EXPECT_EQ(first_values(range(1, 4).interleave(lanes, {.cycle_length = 2, .block_length = 1})),
            (Ints{10, 20, 11, 21, 22, 30, 31, 32, 33}));
  EXPECT_EQ(first_values(range(1, 4).interleave(lanes, {.cycle_length = 2, .block_length = 2})),
            (Ints{10, 11, 20, 21, 22, 30, 31, 32, 33}));
}

// ---- Caches ----
TEST(Dataset, a_cache_is_filled_by_the_first_whole_pass) {
  std::atomic<int> calls{0};
  const auto cached = serial(4).map([&](std::span<std::int32_t>) { ++calls; }).cache();
  first_values(cached.take(2));
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(first_values(cached), (Ints{0, 1, 2, 3}));
  EXPECT_EQ(calls, 6);
  EXPECT_EQ(first_values(cached, 1), (Ints{0, 1, 2, 3}));
  EXPECT_EQ(calls, 6);
  EXPECT_EQ(cached.cardinality(), 4);
}

TEST(Dataset, a_cache_in_a_file_serves_the_next_run) {
  const std::string path =
      (std::filesystem::temp_directory_path() / ("stoker-cache-" + std::to_string(getpid())))
          .string();
  std::atomic<int> calls{0};
  const auto make = [&] {
    return serial(5).map([&](std::span<std::int32_t>) { ++calls; }).window(2).cache(path);
  };
  first_values(make().take(1));
  EXPECT_FALSE(std::filesystem::exists(path)) << "a pass that was broken off is no cache";
  const Ints all = first_values(make());
  const int made = calls;
  EXPECT_EQ(first_values(make()), all);
  EXPECT_EQ(calls, made);
  EXPECT_TRUE(contains(message_of<IoError>([&] { first_values(range(3).cache(path)); }),
                       "a cache of elements"));
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 1);
  EXPECT_TRUE(contains(message_of<IoError>([&] { first_values(make()); }), "damaged"));
  std::ofstream(path) << "not a cache at all, but long enough to be one";
  EXPECT_TRUE(contains(message_of<IoError>([&] { first_values(make()); }), "another file"));
  std::filesystem::remove(path);
}

// ---- As a source ----
Dataset<float, float> training() {
  const Tensor x = Tensor::normal({90, 4}, 0, 1, 1);
  const Tensor y = Tensor::normal({90, 1}, 0, 1, 2);
  return Dataset<float, float>::from_tensor_slices({x, y}).shuffle(90, 5).map(
      [](MapContext& context, std::span<float> row, std::span<float>) {
        for (float& value : row) value += context.random.uniform(-0.1f, 0.1f);
      });
}

std::vector<float> weights_after(const SourceHandle& source, int workers) {
  Sequential model({Input({4}), Dense(1)}, {.seed = 3, .threads = 1});
  model.compile({.optimizer = "adam", .loss = "mse"});
  model.fit(source, {.epochs = 4, .verbose = 0, .workers = workers});
  EXPECT_EQ(model.iterations(), 4 * 6);
  std::vector<float> all;
  for (const Tensor& weight : model.get_weights()) {
    for (const float value : weight.data<float>()) all.push_back(value);
  }
  return all;
}

TEST(Dataset, trains_alike_by_number_and_one_after_another) {
  const std::vector<float> expected = weights_after(training().batch(16), 1);
  EXPECT_EQ(weights_after(training().batch(16), 4), expected);
  EXPECT_EQ(weights_after(training().batch(16).prefetch(2), AUTOTUNE), expected);
  const auto all = [](auto, auto) { return true; };
  EXPECT_EQ(weights_after(training().filter(all).batch(16), 1), expected);
  EXPECT_EQ(weights_after(training().filter(all).batch(16).prefetch(2), 1), expected);
}

TEST(Dataset, goes_on_where_steps_per_epoch_cuts_an_endless_one) {
  const auto endless = serial(5).repeat().batch(2);
  const auto device = device::make_cpu_device();
  const SourceHandle source = endless;
  feed::Feed feed(source.source(), {.epochs = 2, .steps_per_epoch = 2}, *device);
  Ints all;
  for (int epoch = 0; epoch < 2; ++epoch) {
    while (const auto batch = feed.next()) {
      const auto* x =
          reinterpret_cast<const std::int32_t*>(batch->block + feed.layout().offsets[0]);
      all.insert(all.end(), x, x + batch->rows);
      feed.release(*batch);
    }
  }
  EXPECT_EQ(all, (Ints{0, 1, 2, 3, 4, 0, 1, 2}));
}

TEST(Dataset, without_batches_is_no_source) {
  EXPECT_TRUE(contains(message_of<ShapeError>([] { static_cast<void>(range(3).source()); }),
                       "Call batch() last"));
  EXPECT_THROW(range(3).window(2).padded_batch(2, {Shape{Shape::kUnknown}}).source(), ShapeError);
}

TEST(Dataset, tensors_of_different_lengths_are_refused) {
  using Pair = Dataset<float, float>;
  EXPECT_THROW(Pair::from_tensor_slices({Tensor(Shape{3, 2}), Tensor(Shape{4})}), ShapeError);
  EXPECT_THROW(Pair::from_tensor_slices({Tensor(Shape{3}), Tensor(Shape{3}, DType::int32)}),
               DTypeError);
}

TEST(Dataset, is_gone_through_by_a_loop) {
  std::vector<std::int32_t> seen;
  std::vector<std::size_t> sizes;
  for (const auto& [numbers] : range(10).filter([](auto n) { return n[0] % 2 == 1; }).batch(2)) {
    sizes.push_back(numbers.size());
    seen.insert(seen.end(), numbers.begin(), numbers.end());
  }
  EXPECT_EQ(sizes, (std::vector<std::size_t>{2, 2, 1}));
  EXPECT_EQ(seen, (std::vector<std::int32_t>{1, 3, 5, 7, 9}));
  for ([[maybe_unused]] const auto& [numbers] : range(0)) ADD_FAILURE() << "nothing to see";
}

TEST(Dataset, a_loop_over_a_pass_sees_the_order_of_that_epoch) {
  const auto shuffled = range(20).shuffle(20, 1);
  const auto order = [&](std::int64_t epoch) {
    std::vector<std::int32_t> looped;
    for (const auto& [number] : shuffled.pass(epoch)) looped.push_back(number[0]);
    std::vector<std::int32_t> called;
    shuffled.for_each([&](auto number) { called.push_back(number[0]); }, epoch);
    EXPECT_EQ(looped, called);
    return looped;
  };
  EXPECT_NE(order(0), order(1));
}

}  // namespace
}  // namespace stoker

#include "stoker/array_source.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <optional>
#include <thread>

#include "data/array_source.h"
#include "stoker/error.h"
#include "support/contains.h"
#include "support/message.h"
#include "support/slot_memory.h"

namespace stoker {
namespace {

using test::contains;
using test::message_of;
using test::SlotMemory;

// Row i holds i in every element.
template <class T>
Tensor numbered(Shape shape) {
  Tensor tensor(shape, dtype_of<T>);
  const auto values = tensor.data<T>();
  const std::size_t width = values.size() / static_cast<std::size_t>(shape[0]);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::size_t row = i / width;
    values[i] = static_cast<T>(row);
  }
  return tensor;
}

std::vector<std::int32_t> sorted(std::vector<std::int32_t> values) {
  std::ranges::sort(values);
  return values;
}

// The labels (field 1) of every row of an epoch, in order; checks that the other field follows.
std::vector<std::int32_t> rows_of_epoch(Source& source, std::int64_t epoch) {
  SlotMemory slot(source.spec());
  std::vector<std::int32_t> rows;
  source.begin_epoch(epoch);
  for (std::int64_t index = 0;; ++index) {
    BatchContext batch{.epoch = epoch, .index = index};
    const std::int64_t count = source.fill(batch, slot.slot());
    if (count == 0) return rows;
    const auto x = slot.values<float>(0);
    const auto y = slot.values<std::int32_t>(1);
    const std::size_t width = x.size() / y.size();
    for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
      rows.push_back(y[i]);
      for (std::size_t j = 0; j < width; ++j) {
        EXPECT_EQ(x[i * width + j], static_cast<float>(y[i]));
      }
    }
  }
}

TEST(ArraySource, gives_rows_in_order_and_a_short_last_batch) {
  const auto source =
      array_source(numbered<float>({10, 2, 3}), numbered<std::int32_t>({10}), {.batch_size = 4})
          .source();
  EXPECT_EQ(source->spec().field(0).shape, Shape({4, 2, 3}));
  EXPECT_EQ(source->spec().field(1).shape, Shape({4}));
  EXPECT_EQ(source->batches_per_epoch(), 3);
  EXPECT_TRUE(source->pure());
  EXPECT_FALSE(source->endless());
  EXPECT_EQ(rows_of_epoch(*source, 0), (std::vector<std::int32_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
  SlotMemory slot(source->spec());
  BatchContext last{.index = 2};
  EXPECT_EQ(source->fill(last, slot.slot()), 2);
}

TEST(ArraySource, drops_the_remainder_when_asked_to) {
  const auto source = array_source(numbered<float>({10, 2}), numbered<std::int32_t>({10}),
                                   {.batch_size = 4, .drop_remainder = true})
                          .source();
  EXPECT_EQ(source->batches_per_epoch(), 2);
  EXPECT_EQ(rows_of_epoch(*source, 0), (std::vector<std::int32_t>{0, 1, 2, 3, 4, 5, 6, 7}));
}

TEST(ArraySource, a_batch_is_no_larger_than_the_data_set) {
  const auto source =
      array_source(numbered<float>({3, 2}), numbered<std::int32_t>({3}), {.batch_size = 32})
          .source();
  EXPECT_EQ(source->spec().batch_size(), 3);
  EXPECT_EQ(source->batches_per_epoch(), 1);
}

TEST(ArraySource, shuffles_each_epoch_anew_and_the_same_way_for_a_seed) {
  const auto make = [](std::uint64_t seed) {
    return array_source(numbered<float>({100, 3}), numbered<std::int32_t>({100}),
                        {.batch_size = 16, .shuffle = true, .seed = seed})
        .source();
  };
  const auto source = make(7);
  const std::vector<std::int32_t> first = rows_of_epoch(*source, 0);
  const std::vector<std::int32_t> second = rows_of_epoch(*source, 1);
  std::vector<std::int32_t> expected(100);
  std::iota(expected.begin(), expected.end(), 0);
  EXPECT_EQ(sorted(first), expected);
  EXPECT_NE(first, expected);
  EXPECT_NE(first, second);
  // Whatever was asked for before: an order is a function of seed and epoch.
  EXPECT_EQ(rows_of_epoch(*make(7), 1), second);
  EXPECT_EQ(rows_of_epoch(*source, 0), first);
  EXPECT_NE(rows_of_epoch(*make(8), 0), first);
}

TEST(ArraySource, every_order_of_three_rows_is_about_as_frequent) {
  const Tensor x = numbered<float>({3, 1});
  const Tensor y = numbered<std::int32_t>({3});
  const auto source = borrow_arrays({&x}, {&y}, {}, {.shuffle = true, .seed = 1});
  std::vector<std::vector<std::int32_t>> orders;
  for (std::int64_t epoch = 0; epoch < 6000; ++epoch)
    orders.push_back(rows_of_epoch(*source, epoch));
  std::vector<std::int32_t> order = {0, 1, 2};
  do {
    // 1000 expected; the standard deviation is 29.
    EXPECT_NEAR(static_cast<double>(std::ranges::count(orders, order)), 1000.0, 120.0);
  } while (std::ranges::next_permutation(order).found);
}

TEST(ArraySource, threads_may_fill_batches_of_different_epochs_at_a_time) {
  const auto source = array_source(numbered<float>({100, 1}), numbered<std::int32_t>({100}),
                                   {.batch_size = 10, .shuffle = true, .seed = 3})
                          .source();
  std::vector<std::vector<std::int32_t>> expected;
  for (std::int64_t epoch = 0; epoch < 4; ++epoch) {
    expected.push_back(rows_of_epoch(*source, epoch));
  }
  const auto check = [&](std::int64_t first) {
    for (std::int64_t i = 0; i < 200; ++i) {
      const std::int64_t epoch = (first + i) % 4;
      ASSERT_EQ(rows_of_epoch(*source, epoch), expected[static_cast<std::size_t>(epoch)]);
    }
  };
  std::thread other(check, 1);
  check(0);
  other.join();
}

TEST(ArraySource, types_stay_as_they_are_and_weights_travel_along) {
  const auto source =
      array_source(numbered<std::uint8_t>({4, 5}), numbered<std::uint8_t>({4}),
                   Tensor::from<float>({4}, {0.5f, 1.0f, 1.5f, 2.0f}), {.batch_size = 2})
          .source();
  EXPECT_EQ(source->spec().field(0).dtype, DType::uint8);
  EXPECT_EQ(source->spec().field(2).name, "sample_weight");
  SlotMemory slot(source->spec());
  BatchContext batch{.index = 1};
  ASSERT_EQ(source->fill(batch, slot.slot()), 2);
  EXPECT_EQ(slot.values<std::uint8_t>(0),
            (std::vector<std::uint8_t>{2, 2, 2, 2, 2, 3, 3, 3, 3, 3}));
  EXPECT_EQ(slot.values<std::uint8_t>(1), (std::vector<std::uint8_t>{2, 3}));
  EXPECT_EQ(slot.values<float>(2), (std::vector<float>{1.5f, 2.0f}));
}

TEST(ArraySource, several_inputs_and_rows_of_every_small_size_are_gathered) {
  std::vector<Tensor> inputs;
  for (std::int64_t width = 1; width <= 17; ++width) {
    inputs.push_back(numbered<std::uint8_t>({50, width}));
  }
  std::vector<Tensor> targets;
  targets.push_back(numbered<std::uint8_t>({50}));
  const auto source = array_source(std::move(inputs), std::move(targets), std::nullopt,
                                   {.batch_size = 50, .shuffle = true})
                          .source();
  SlotMemory slot(source->spec());
  BatchContext batch;
  ASSERT_EQ(source->fill(batch, slot.slot()), 50);
  const auto rows = slot.values<std::uint8_t>(17);
  for (std::size_t field = 0; field < 17; ++field) {
    EXPECT_EQ(source->spec().field(field).name, "x" + std::to_string(field));
    const auto values = slot.values<std::uint8_t>(field);
    for (std::size_t i = 0; i < values.size(); ++i) ASSERT_EQ(values[i], rows[i / (field + 1)]);
  }
}

TEST(ArraySource, several_targets_have_a_weight_each_or_one_for_all) {
  const Tensor x = numbered<float>({4, 2});
  const Tensor class_number = numbered<std::int32_t>({4});
  const Tensor box = numbered<float>({4, 3});
  const Tensor first = Tensor::from<float>({4}, {0.5f, 1.0f, 1.5f, 2.0f});
  const Tensor second = Tensor::from<std::uint8_t>({4, 1}, {1, 0, 0, 1});

  const auto each =
      array_source({x}, {class_number, box}, {first, second}, {.batch_size = 2, .shuffle = true})
          .source();
  const std::array<const char*, 5> names{"x", "y0", "y1", "sample_weight0", "sample_weight1"};
  ASSERT_EQ(each->spec().field_count(), names.size());
  for (std::size_t i = 0; i < names.size(); ++i) EXPECT_EQ(each->spec().field(i).name, names[i]);
  SlotMemory memory(each->spec());
  const Slot slot = memory.slot();
  for (std::int64_t index = 0; index < 2; ++index) {
    BatchContext batch{.index = index};
    ASSERT_EQ(each->fill(batch, slot), 2);
    for (std::size_t i = 0; i < 2; ++i) {
      const auto row = static_cast<std::size_t>(slot.x<float>()[2 * i]);
      EXPECT_EQ(slot.y<std::int32_t>(0)[i], static_cast<std::int32_t>(row));
      EXPECT_EQ(slot.y<float>(1)[3 * i], static_cast<float>(row));
      EXPECT_EQ(slot.sample_weight<float>(0)[i], first.data<float>()[row]);
      EXPECT_EQ(slot.sample_weight<std::uint8_t>(1)[i], second.data<std::uint8_t>()[row]);
    }
  }

  const auto weights_of = [](const SourceHandle& source) {
    const auto& weights = source.source()->spec().sample_weights;
    return weights.size() == 1 ? weights[0].name : std::to_string(weights.size());
  };
  const std::vector<Tensor> targets{class_number, box};
  EXPECT_EQ(weights_of(array_source({x}, targets, {first})), "sample_weight");
  EXPECT_EQ(weights_of(array_source({x}, targets, first)), "sample_weight");
  EXPECT_EQ(weights_of(array_source({x}, targets, std::optional(first))), "sample_weight");
  EXPECT_EQ(weights_of(array_source({x}, targets, std::nullopt)), "0");
  EXPECT_EQ(weights_of(array_source({x}, targets, {}, {.batch_size = 2})), "0");
  EXPECT_EQ(weights_of(array_source({x}, targets)), "0");
}

TEST(ArraySource, refuses_weights_that_do_not_belong_to_the_targets) {
  const std::vector<Tensor> x{Tensor({4, 2})};
  const std::vector<Tensor> y{Tensor({4}), Tensor({4, 3})};
  const auto error = [&](const std::vector<Tensor>& weights) {
    return message_of<ShapeError>([&] { (void)array_source(x, y, weights); });
  };
  EXPECT_TRUE(contains(error({Tensor(Shape{4}), Tensor(Shape{5})}),
                       "received x (4, 2) and sample_weight1 (5,)"));
  EXPECT_TRUE(contains(error({Tensor(Shape{4}), Tensor(Shape{4}), Tensor(Shape{4})}),
                       "array source: expected one sample weight for all targets or one for each "
                       "of the 2, received 3"));
  EXPECT_TRUE(contains(error({Tensor(Shape{4}), Tensor(Shape{4, 2})}),
                       "sample_weight1 to have the shape of its target's leading axes, y1 (4, 3), "
                       "received (4, 2)"));
  EXPECT_TRUE(contains(error({Tensor(Shape{4}), Tensor(Shape{})}), "sample_weight1 to have rows"));
  EXPECT_TRUE(contains(message_of<ShapeError>([&] {
                         (void)array_source(x, {Tensor({4}), Tensor({3, 3})});
                       }),
                       "received x (4, 2) and y1 (3, 3)"));
}

TEST(ArraySource, borrows_a_range_of_rows_without_targets) {
  const Tensor x = numbered<float>({10, 2});
  const auto source = borrow_arrays({&x}, {}, {}, {.batch_size = 2}, 6, 9);
  EXPECT_EQ(source->spec().field_count(), 1U);
  EXPECT_EQ(source->batches_per_epoch(), 2);
  SlotMemory slot(source->spec());
  BatchContext batch{.index = 1};
  ASSERT_EQ(source->fill(batch, slot.slot()), 1);
  EXPECT_EQ(slot.values<float>(0)[0], 8.0f);
}

TEST(ArraySource, a_shuffled_range_holds_the_rows_of_the_range) {
  const Tensor x = numbered<float>({10, 2});
  const Tensor y = numbered<std::int32_t>({10});
  const auto source = borrow_arrays({&x}, {&y}, {}, {.batch_size = 2, .shuffle = true}, 3, 8);
  EXPECT_EQ(sorted(rows_of_epoch(*source, 0)), (std::vector<std::int32_t>{3, 4, 5, 6, 7}));
}

TEST(ArraySource, refuses_tensors_that_do_not_belong_together) {
  EXPECT_TRUE(contains(message_of<ShapeError>([] {
                         (void)array_source(numbered<float>({10, 2}), numbered<std::int32_t>({9}));
                       }),
                       "x (10, 2) and y (9,)"));
  EXPECT_TRUE(
      contains(message_of<ShapeError>([] { (void)array_source(Tensor(Shape{}), Tensor(Shape{})); }),
               "x to have rows"));
  EXPECT_TRUE(contains(message_of<ValueError>([] {
                         (void)array_source(Tensor({0, 2}), Tensor(Shape{0}));
                       }),
                       "at least one row"));
  EXPECT_TRUE(contains(message_of<ValueError>([] {
                         (void)array_source(std::vector<Tensor>{}, std::vector<Tensor>{},
                                            std::nullopt);
                       }),
                       "at least one input"));
}

TEST(ArraySource, refuses_options_out_of_range) {
  const Tensor x = numbered<float>({10, 2});
  const auto make = [&](ArrayOptions options, std::int64_t begin = 0, std::int64_t end = -1) {
    return message_of<ValueError>([&] { (void)borrow_arrays({&x}, {}, {}, options, begin, end); });
  };
  EXPECT_TRUE(contains(make({.batch_size = 0}), "batch_size of at least 1, received 0"));
  EXPECT_TRUE(contains(make({.batch_size = 11, .drop_remainder = true}), "received 10 rows"));
  EXPECT_TRUE(contains(make({}, 5, 5), "received [5, 5)"));
  EXPECT_TRUE(contains(make({}, 0, 11), "received [0, 11)"));
  EXPECT_TRUE(contains(make({}, -1, 3), "received [-1, 3)"));
}

}  // namespace
}  // namespace stoker

// Elements with several targets and several sample weights pass through every stage of a Dataset.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "stoker/dataset.h"
#include "support/contains.h"
#include "support/message.h"
#include "support/slot_memory.h"
#include "support/temporary_folder.h"

namespace stoker {
namespace {

using test::contains;
using test::message_of;
using test::SlotMemory;
using test::TemporaryFolder;

// An input, two targets and a weight for each, all of which follow from the element's number.
using Elements = Dataset<float, std::int32_t, float, float, std::uint8_t>;
const Elements::Shapes kShapes{Shape{2}, Shape{}, Shape{3}, Shape{}, Shape{1}};

void write(std::int32_t number, std::span<float> x, std::span<std::int32_t> y0, std::span<float> y1,
           std::span<float> weight0, std::span<std::uint8_t> weight1) {
  const auto value = static_cast<float>(number);
  std::ranges::fill(x, value);
  std::ranges::fill(y0, number + 1);
  std::ranges::fill(y1, value + 2);
  std::ranges::fill(weight0, value + 3);
  std::ranges::fill(weight1, static_cast<std::uint8_t>(number + 4));
}

Elements numbered(std::int32_t count) {
  Tensor x({count, 2}), y0({count}, DType::int32), y1({count, 3}), weight0(Shape{count}),
      weight1({count, 1}, DType::uint8);
  for (std::int32_t i = 0; i < count; ++i) {
    const auto row = static_cast<std::size_t>(i);
    write(i, x.data<float>().subspan(2 * row, 2), y0.data<std::int32_t>().subspan(row, 1),
          y1.data<float>().subspan(3 * row, 3), weight0.data<float>().subspan(row, 1),
          weight1.data<std::uint8_t>().subspan(row, 1));
  }
  return Elements::from_tensor_slices({x, y0, y1, weight0, weight1});
}

Elements serial(std::int32_t count) {
  return Elements::from_generator(kShapes, [count](std::int64_t) {
    return [count, next = 0](auto... components) mutable {
      if (next == count) return false;
      write(next++, components...);
      return true;
    };
  });
}

// The numbers of the rows of a source's batches; checks that all fields of a row belong together.
std::vector<int> rows_of(const SourceHandle& handle) {
  Source& source = *handle.source();
  EXPECT_EQ(source.spec().field(3).name, "sample_weight0");
  EXPECT_EQ(source.spec().field(4).name, "sample_weight1");
  SlotMemory memory(source.spec());
  const Slot slot = memory.slot();
  std::vector<int> rows;
  for (std::int64_t index = 0;; ++index) {
    BatchContext batch{.index = index, .sequence = index};
    const std::int64_t count = source.fill(batch, slot);
    if (count == 0) return rows;
    for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
      const float value = slot.x<float>()[2 * i];
      rows.push_back(static_cast<int>(value));
      EXPECT_EQ(slot.x<float>()[2 * i + 1], value);
      EXPECT_EQ(slot.y<std::int32_t>(0)[i], rows.back() + 1);
      for (std::size_t j = 0; j < 3; ++j) EXPECT_EQ(slot.y<float>(1)[3 * i + j], value + 2);
      EXPECT_EQ(slot.sample_weight<float>(0)[i], value + 3);
      EXPECT_EQ(slot.sample_weight<std::uint8_t>(1)[i], rows.back() + 4);
    }
  }
}
std::vector<int> rows_of(const Elements& batches) { return rows_of(batches.source(0, 1, 2)); }

TEST(DatasetFields, pass_through_what_chooses_elements) {
  for (const Elements& all : {numbered(6), serial(6)}) {
    EXPECT_EQ(rows_of(all.batch(4)), (std::vector<int>{0, 1, 2, 3, 4, 5}));
    EXPECT_EQ(rows_of(all.skip(1).take(4).shard(2, 1).batch(4)), (std::vector<int>{2, 4}));
    EXPECT_EQ(rows_of(all.take(2).repeat(2).batch(3)), (std::vector<int>{0, 1, 0, 1}));
    EXPECT_EQ(rows_of(all.take(1).concatenate(all.skip(5)).batch(3)), (std::vector<int>{0, 5}));
    const auto odd = [](auto, auto y0, auto...) { return y0[0] % 2 == 0; };
    EXPECT_EQ(rows_of(all.filter(odd).batch(2)), (std::vector<int>{1, 3, 5}));
    for (const std::int64_t buffer : {3, 6}) {
      std::vector<int> rows = rows_of(all.shuffle(buffer, 5).batch(2));
      std::ranges::sort(rows);
      EXPECT_EQ(rows, (std::vector<int>{0, 1, 2, 3, 4, 5}));
    }
    const auto interleaved = all.take(2).interleave(
        [](std::span<const float> x, auto...) {
          return numbered(6).skip(static_cast<std::int64_t>(x[0]) * 3).take(3);
        },
        {.cycle_length = 2});
    EXPECT_EQ(rows_of(interleaved.batch(2)), (std::vector<int>{0, 3, 1, 4, 2, 5}));
  }
}

TEST(DatasetFields, pass_through_maps_and_zips) {
  for (const Elements& all : {numbered(4), serial(4)}) {
    const auto in_place = [](auto x, auto y0, auto y1, auto weight0, auto weight1) {
      write(y0[0], x, y0, y1, weight0, weight1);  // the next number's
    };
    EXPECT_EQ(rows_of(all.map(in_place, {.workers = 2}).batch(3)), (std::vector<int>{1, 2, 3, 4}));
    const auto anew = [](std::span<const float> x, auto, auto, auto, auto, std::span<float> new_x,
                         std::span<std::int32_t> y0, std::span<float> y1, std::span<float> weight0,
                         std::span<std::uint8_t> weight1) {
      write(static_cast<std::int32_t>(x[0]) + 2, new_x, y0, y1, weight0, weight1);
    };
    EXPECT_EQ(
        rows_of(all.map<float, std::int32_t, float, float, std::uint8_t>(kShapes, anew).batch(3)),
        (std::vector<int>{2, 3, 4, 5}));
    // The element's own number in front: a second input.
    const auto enumerated = all.enumerate().batch(4).source(0, 2, 2);
    SlotMemory memory(enumerated.source()->spec());
    BatchContext batch;
    ASSERT_EQ(enumerated.source()->fill(batch, memory.slot()), 4);
    EXPECT_EQ(memory.slot().x<std::int32_t>(0)[3], 3);
    EXPECT_EQ(memory.slot().sample_weight<std::uint8_t>(1)[3], 7);
  }
}

TEST(DatasetFields, pass_through_batches_windows_and_what_keeps_them) {
  const TemporaryFolder folder;
  int file = 0;
  for (const Elements& all : {numbered(5), serial(5)}) {
    const std::vector<int> every{0, 1, 2, 3, 4};
    const Elements::Shapes padded = kShapes;
    EXPECT_EQ(rows_of(all.padded_batch(2, padded)), every);
    EXPECT_EQ(rows_of(all.batch(3).unbatch().batch(2)), every);
    EXPECT_EQ(rows_of(all.window(5, {.shift = 2, .drop_remainder = true}).unbatch().batch(2)),
              every);
    EXPECT_EQ(rows_of(all.batch(2).prefetch(2)), every);
    const Elements in_memory = all.batch(2).cache();
    const std::string path = folder / ("elements" + std::to_string(file++));
    for (int pass = 0; pass < 2; ++pass) {
      EXPECT_EQ(rows_of(in_memory), every);
      // The second one is read from the file.
      EXPECT_EQ(rows_of(all.batch(2).cache(path)), every);
    }
  }
}

TEST(DatasetFields, are_inputs_targets_and_weights_as_the_source_is_told) {
  const auto batches = numbered(4).batch(2);
  EXPECT_EQ(batches.source(0, 3).source()->spec().targets.size(), 1U);
  EXPECT_EQ(batches.source(0, 3).source()->spec().sample_weights.size(), 1U);
  EXPECT_EQ(batches.source(0, 2, 2).source()->spec().sample_weights[0].name, "sample_weight");
  EXPECT_EQ(batches.source(0, 5).source()->spec().field_count(), 5U);
  EXPECT_TRUE(
      contains(message_of<ValueError>([&] { (void)batches.source(); }),
               "received 5 components, of which 1 count as inputs and 1 as targets. source(seed, "
               "inputs, targets) says how many are which"));
  EXPECT_TRUE(contains(message_of<ValueError>([&] { (void)batches.source(0, 2, 4); }),
                       "no more inputs and targets than components"));
  EXPECT_TRUE(contains(message_of<ValueError>([&] { (void)batches.source(0, 6); }),
                       "no more inputs than components"));
}

}  // namespace
}  // namespace stoker

#include "stoker/generator.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>
#include <thread>

#include "stoker/error.h"
#include "support/contains.h"
#include "support/message.h"
#include "support/slot_memory.h"

namespace stoker {
namespace {

using test::contains;
using test::message_of;
using test::SlotMemory;

void fill_nothing(BatchContext&, std::span<float>) {}
void fill_nothing_with_labels(BatchContext&, std::span<float>, std::span<std::int32_t>) {}

// ---- Specs ----
TEST(Generator, fields_have_the_names_types_and_shapes_of_the_batch) {
  const auto source =
      generator<float, std::int32_t>({.x = {32, 28, 28, 1}, .y = {32}}, fill_nothing_with_labels)
          .source();
  const BatchSpec& spec = source->spec();
  ASSERT_EQ(spec.field_count(), 2U);
  EXPECT_EQ(spec.field(0).name, "x");
  EXPECT_EQ(spec.field(0).dtype, DType::float32);
  EXPECT_EQ(spec.field(0).shape, Shape({32, 28, 28, 1}));
  EXPECT_EQ(spec.field(1).name, "y");
  EXPECT_EQ(spec.field(1).dtype, DType::int32);
  EXPECT_EQ(spec.field(1).shape, Shape({32}));
  EXPECT_TRUE(spec.sample_weights.empty());
  EXPECT_EQ(spec.batch_size(), 32);
  EXPECT_THROW(spec.field(2), ValueError);
}

TEST(Generator, several_inputs_targets_and_weights_keep_their_order) {
  const auto source = generator<float, std::uint8_t, std::int32_t, bfloat16, float>(
                          {.sample_weight = {4},
                           .inputs = {Shape{4, 2}, Shape{4, 3}},
                           .targets = {Shape{4}, Shape{4, 5}}},
                          [](BatchContext&, std::span<float>, std::span<std::uint8_t>,
                             std::span<std::int32_t>, std::span<bfloat16>, std::span<float>) {})
                          .source();
  const BatchSpec& spec = source->spec();
  ASSERT_EQ(spec.field_count(), 5U);
  const std::array<const char*, 5> names = {"x0", "x1", "y0", "y1", "sample_weight"};
  const std::array<DType, 5> types = {DType::float32, DType::uint8, DType::int32, DType::bfloat16,
                                      DType::float32};
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(spec.field(i).name, names[i]);
    EXPECT_EQ(spec.field(i).dtype, types[i]) << names[i];
  }
}

TEST(BatchSpec, tells_where_targets_and_sample_weights_lie_among_the_fields) {
  const Field field{"", DType::float32, {4}};
  const BatchSpec spec{{field, field, field}, {field, field}, {field}};
  EXPECT_EQ(spec.field_count(), 6U);
  EXPECT_EQ(spec.target_field(1), 4U);
  EXPECT_EQ(spec.sample_weight_field(0), 5U);
  EXPECT_EQ(&spec.field(5), &spec.sample_weights[0]);
  EXPECT_TRUE(
      contains(message_of<ValueError>([&] { (void)spec.target_field(2); }),
               "a number below 2, which is how many targets a batch has, received target 2"));
  EXPECT_TRUE(contains(message_of<ValueError>([&] { (void)spec.sample_weight_field(1); }),
                       "which is how many sample weights a batch has, received sample weight 1"));
}

TEST(Generator, refuses_a_number_of_types_other_than_of_shapes) {
  EXPECT_TRUE(contains(message_of<ValueError>([] {
                         (void)generator<float>({.x = {32, 4}, .y = {32}}, fill_nothing);
                       }),
                       "received 1 type for 2 shapes (x, y)"));
  EXPECT_TRUE(
      contains(message_of<ValueError>([] {
                 (void)generator<float, std::int32_t>({.x = {32, 4}}, fill_nothing_with_labels);
               }),
               "received 2 types for 1 shapes (x)"));
}

TEST(Generator, refuses_shapes_that_no_slot_can_have) {
  EXPECT_TRUE(contains(
      message_of<ShapeError>([] {
        (void)generator<float, std::int32_t>({.x = {32, 4}, .y = {16}}, fill_nothing_with_labels);
      }),
      "x (32, 4) and y (16,)"));
  EXPECT_TRUE(contains(message_of<ShapeError>([] {
                         (void)generator<float>({.x = {Shape::kUnknown, 4}}, fill_nothing);
                       }),
                       "received (None, 4)"));
  EXPECT_TRUE(contains(message_of<ShapeError>([] {
                         (void)generator<float>({.x = {32, 0}}, fill_nothing);
                       }),
                       "received (32, 0)"));
  EXPECT_TRUE(
      contains(message_of<ValueError>([] { (void)generator<float>({.y = {32}}, fill_nothing); }),
               "a shape for x"));
  EXPECT_TRUE(
      contains(message_of<ValueError>([] {
                 (void)generator<float>({.x = {32, 4}, .inputs = {Shape{32, 4}}}, fill_nothing);
               }),
               "received both"));
}

// ---- Functions ----
TEST(Generator, a_function_that_returns_nothing_is_endless_and_fills_whole_batches) {
  const auto source = generator<float>({.x = {3, 2}}, [](BatchContext& batch, std::span<float> x) {
                        std::ranges::fill(x, static_cast<float>(batch.index));
                      }).source();
  EXPECT_TRUE(source->endless());
  SlotMemory slot(source->spec());
  BatchContext batch{.index = 7};
  EXPECT_EQ(static_cast<Source&>(*source).fill(batch, slot.slot()), 3);
  EXPECT_EQ(slot.values<float>(0), (std::vector<float>{7, 7, 7, 7, 7, 7}));
}

TEST(Generator, a_function_that_returns_a_number_says_how_many_rows_it_filled) {
  const auto source = generator<float>({.x = {3, 2}}, [](BatchContext& batch, std::span<float>) {
                        return batch.index == 0 ? 2 : 0;
                      }).source();
  EXPECT_FALSE(source->endless());
  SlotMemory slot(source->spec());
  BatchContext first{.index = 0};
  EXPECT_EQ(static_cast<Source&>(*source).fill(first, slot.slot()), 2);
  BatchContext second{.index = 1};
  EXPECT_EQ(static_cast<Source&>(*source).fill(second, slot.slot()), 0);
}

TEST(Generator, only_captureless_lambdas_and_what_says_so_are_pure) {
  int calls = 0;
  const auto counting = [&calls](BatchContext&, std::span<float>) { ++calls; };
  EXPECT_TRUE(
      generator<float>({.x = {3, 2}}, [](BatchContext&, std::span<float>) {}).source()->pure());
  EXPECT_FALSE(generator<float>({.x = {3, 2}}, counting).source()->pure());
  EXPECT_FALSE(generator<float>({.x = {3, 2}}, fill_nothing).source()->pure());  // may have statics
  EXPECT_TRUE(generator<float>({.x = {3, 2}}, pure(counting)).source()->pure());
}

// ---- Classes ----
class Countdown : public BatchGenerator<float, std::int32_t> {
 public:
  Countdown() : BatchGenerator({.x = {2, 1}, .y = {2}}) {}
  std::int64_t fill(BatchContext&, std::span<float> x, std::span<std::int32_t> y) override {
    std::ranges::fill(x, 0.5f);
    std::ranges::fill(y, left_);
    return left_-- > 0 ? 2 : 0;
  }

 private:
  std::int32_t left_ = 1;
};

TEST(BatchGenerator, a_derived_class_fills_slots_and_is_taken_by_reference) {
  Countdown countdown;
  const SourceHandle handle(countdown);
  EXPECT_EQ(handle.source().get(), &countdown);
  SlotMemory slot(countdown.spec());
  BatchContext batch;
  EXPECT_EQ(handle.source()->fill(batch, slot.slot()), 2);
  EXPECT_EQ(slot.values<float>(0), (std::vector<float>{0.5f, 0.5f}));
  EXPECT_EQ(slot.values<std::int32_t>(1), (std::vector<std::int32_t>{1, 1}));
  EXPECT_EQ(handle.source()->fill(batch, slot.slot()), 0);
}

TEST(BatchGenerator, fields_that_no_slot_holds_never_reach_one) {
  const auto doubles =
      generator<double>({.x = {2, 1}}, [](BatchContext&, std::span<double>) {}).source();
  const SourceHandle unchecked(std::static_pointer_cast<Source>(doubles));
  SlotMemory slot(doubles->spec());
  BatchContext batch;
  EXPECT_TRUE(
      contains(message_of<DTypeError>([&] { unchecked.source()->fill(batch, slot.slot()); }),
               "cast<float>(source)"));
}

// ---- Casts ----
TEST(Cast, converts_doubles_and_long_integers_on_the_way_into_the_slot) {
  const auto source = cast<float>(generator<double, std::int64_t, std::uint8_t>(
                                      {.x = {2, 2}, .targets = {Shape{2}, Shape{2}}},
                                      [](BatchContext&, std::span<double> x,
                                         std::span<std::int64_t> y, std::span<std::uint8_t> z) {
                                        for (double& value : x) value = 0.1;
                                        y[0] = -5;
                                        y[1] = 2147483647;
                                        std::ranges::fill(z, std::uint8_t{200});
                                      }))
                          .source();
  EXPECT_TRUE(source->endless());
  EXPECT_TRUE(source->pure());
  EXPECT_EQ(source->spec().field(0).dtype, DType::float32);
  EXPECT_EQ(source->spec().field(1).dtype, DType::int32);
  EXPECT_EQ(source->spec().field(2).dtype, DType::uint8);
  SlotMemory slot(source->spec());
  BatchContext batch;
  EXPECT_EQ(static_cast<Source&>(*source).fill(batch, slot.slot()), 2);
  EXPECT_EQ(slot.values<float>(0), (std::vector<float>{0.1f, 0.1f, 0.1f, 0.1f}));
  EXPECT_EQ(slot.values<std::int32_t>(1), (std::vector<std::int32_t>{-5, 2147483647}));
  EXPECT_EQ(slot.values<std::uint8_t>(2), (std::vector<std::uint8_t>{200, 200}));
}

TEST(Cast, converts_to_the_narrow_types_and_from_bool) {
  const auto source =
      cast<bfloat16>(generator<double, bool>({.x = {2}, .y = {2}}, [](BatchContext&,
                                                                      std::span<double> x,
                                                                      std::span<bool> y) {
        x[0] = 1.0;
        x[1] = -0.5;
        y[0] = true;
        y[1] = false;
      })).source();
  SlotMemory slot(source->spec());
  BatchContext batch;
  static_cast<Source&>(*source).fill(batch, slot.slot());
  EXPECT_EQ(static_cast<float>(slot.values<bfloat16>(0)[0]), 1.0f);
  EXPECT_EQ(static_cast<float>(slot.values<bfloat16>(0)[1]), -0.5f);
  EXPECT_EQ(slot.values<std::int32_t>(1), (std::vector<std::int32_t>{1, 0}));
}

// Casts a batch of one value.
template <class To, class T>
void cast_one(T value) {
  const auto source = cast<To>(generator<T>({.x = {1}}, [value](BatchContext&, std::span<T> x) {
                        x[0] = value;
                      })).source();
  SlotMemory slot(source->spec());
  BatchContext batch;
  static_cast<Source&>(*source).fill(batch, slot.slot());
}

template <class To, class T>
std::string error_for(T value) {
  return message_of<DataError>([&] { cast_one<To>(value); });
}

TEST(Cast, refuses_numbers_that_do_not_fit) {
  EXPECT_TRUE(
      contains(error_for<float>(std::int64_t{1} << 31), "int32 holds, received 2147483648"));
  EXPECT_TRUE(contains(error_for<float>(std::numeric_limits<std::uint64_t>::max()),
                       "received 18446744073709551615"));
  EXPECT_TRUE(contains(error_for<std::uint8_t>(256.0), "uint8 holds, received 256"));
  EXPECT_TRUE(contains(error_for<std::uint8_t>(-1.0), "received -1"));
  EXPECT_TRUE(contains(error_for<std::int32_t>(std::nan("")), "received nan"));
  EXPECT_TRUE(contains(error_for<std::int32_t>(2147483648.0), "received 2147483648"));
  EXPECT_NO_THROW(cast_one<std::int32_t>(-2147483648.0));
  EXPECT_NO_THROW(cast_one<std::uint8_t>(255.9));
  EXPECT_NO_THROW(cast_one<std::uint8_t>(-0.9));
}

TEST(Cast, looks_only_at_the_rows_that_were_filled) {
  const auto source =
      cast<float>(generator<std::int64_t>({.x = {3, 2}}, [](BatchContext&,
                                                            std::span<std::int64_t> x) {
        std::ranges::fill(x, std::int64_t{1} << 40);
        x[0] = 8;
        x[1] = 9;
        return 1;
      })).source();
  SlotMemory slot(source->spec());
  BatchContext batch;
  EXPECT_EQ(static_cast<Source&>(*source).fill(batch, slot.slot()), 1);
  EXPECT_EQ(slot.values<std::int32_t>(0), (std::vector<std::int32_t>{8, 9, 0, 0, 0, 0}));
}

TEST(Cast, several_threads_and_nested_casts_do_not_share_memory) {
  // The outer source calls the inner one in the middle of its batch.
  const auto inner =
      cast<float>(generator<double>({.x = {4}}, [](BatchContext& batch, std::span<double> x) {
        std::ranges::fill(x, static_cast<double>(batch.index));
      })).source();
  const auto outer =
      cast<float>(generator<double>({.x = {4}}, pure([&](BatchContext& batch, std::span<double> x) {
                                      std::ranges::fill(x, 100.0);
                                      std::array<float, 4> values{};
                                      inner->fill(batch, std::span<float>(values));
                                      for (std::size_t i = 0; i < x.size(); ++i) {
                                        x[i] += static_cast<double>(values[i]);
                                      }
                                    })))
          .source();
  const auto check = [&](std::int64_t first) {
    SlotMemory slot(outer->spec());
    for (std::int64_t i = first; i < first + 1000; ++i) {
      BatchContext batch{.index = i};
      static_cast<Source&>(*outer).fill(batch, slot.slot());
      const auto expected = static_cast<float>(100 + i);
      ASSERT_EQ(slot.values<float>(0),
                (std::vector<float>{expected, expected, expected, expected}));
    }
  };
  std::thread other(check, 5000);
  check(0);
  other.join();
}

}  // namespace
}  // namespace stoker

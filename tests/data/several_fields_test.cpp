// Batches with several targets and several sample weights, from every kind of generator.
#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include "data/class_weights.h"
#include "stoker/coroutine.h"
#include "stoker/device_source.h"
#include "stoker/error.h"
#include "stoker/generator.h"
#include "stoker/sequence.h"
#include "support/contains.h"
#include "support/message.h"
#include "support/slot_memory.h"

namespace stoker {
namespace {

using test::contains;
using test::message_of;
using test::SlotMemory;

const BatchShapes kShapes{.x = {2, 2}, .targets = {{2}, {2, 3}}, .sample_weights = {{2}, {2, 1}}};

// Every field its own number, and the batch's on top.
void number(std::int64_t index, std::span<float> x, std::span<std::int32_t> y0, std::span<float> y1,
            std::span<float> weight0, std::span<float> weight1) {
  const auto base = static_cast<float>(10 * index);
  std::ranges::fill(x, base);
  std::ranges::fill(y0, static_cast<std::int32_t>(10 * index + 1));
  std::ranges::fill(y1, base + 2);
  std::ranges::fill(weight0, base + 3);
  std::ranges::fill(weight1, base + 4);
}

void expect_numbered(Source& source, std::int64_t index, std::int64_t rows) {
  const BatchSpec& spec = source.spec();
  ASSERT_EQ(spec.field_count(), 5U);
  const std::array<const char*, 5> names{"x", "y0", "y1", "sample_weight0", "sample_weight1"};
  for (std::size_t i = 0; i < names.size(); ++i) EXPECT_EQ(spec.field(i).name, names[i]);
  SlotMemory slot(spec);
  BatchContext batch{.index = index};
  ASSERT_EQ(source.fill(batch, slot.slot()), rows);
  const auto base = static_cast<float>(10 * index);
  EXPECT_EQ(slot.slot().x<float>()[0], base);
  EXPECT_EQ(slot.slot().y<std::int32_t>(0)[0], 10 * index + 1);
  EXPECT_EQ(slot.slot().y<float>(1)[0], base + 2);
  EXPECT_EQ(slot.slot().sample_weight<float>(0)[0], base + 3);
  EXPECT_EQ(slot.slot().sample_weight<float>(1)[0], base + 4);
  EXPECT_EQ(slot.slot().y<float>(1).size(), 6U);
}

TEST(SeveralFields, come_from_functions) {
  const auto fill = [](BatchContext& batch, std::span<float> x, std::span<std::int32_t> y0,
                       std::span<float> y1, std::span<float> weight0, std::span<float> weight1) {
    number(batch.index, x, y0, y1, weight0, weight1);
    return 1;
  };
  expect_numbered(*generator<float, std::int32_t, float, float, float>(kShapes, fill).source(), 3,
                  1);
  const auto shared = generator<float, std::int32_t, float, float, float>(kShapes, pure(fill));
  EXPECT_TRUE(shared.source()->pure());
  expect_numbered(*shared.source(), 4, 1);
}

TEST(SeveralFields, come_from_sequences) {
  class Numbered : public Sequence<float, std::int32_t, float, float, float> {
   public:
    Numbered() : Sequence(kShapes) {}
    using Sequence::fill;
    std::int64_t size() const override { return 5; }
    std::int64_t fill(BatchContext& batch, std::span<float> x, std::span<std::int32_t> y0,
                      std::span<float> y1, std::span<float> weight0,
                      std::span<float> weight1) override {
      number(batch.index, x, y0, y1, weight0, weight1);
      return 2;
    }
  };
  Numbered numbered;
  expect_numbered(numbered, 4, 2);
}

TEST(SeveralFields, come_from_coroutines) {
  using Writer = BatchWriter<float, std::int32_t, float, float, float>;
  const auto source = coroutine<float, std::int32_t, float, float,
                                float>(kShapes, [](Writer& batch) -> BatchCoroutine {
                        for (;;) {
                          auto [x, y0, y1, weight0, weight1] = batch.fields();
                          number(batch.context().index, x, y0, y1, weight0, weight1);
                          co_yield whole_batch;
                        }
                      }).source();
  expect_numbered(*source, 0, 2);
  expect_numbered(*source, 1, 2);
}

TEST(SeveralFields, are_cast_each_to_its_type) {
  const auto source = cast<float>(generator<double, std::int64_t, double, double, float>(
                                      kShapes,
                                      [](BatchContext& batch, std::span<double> x,
                                         std::span<std::int64_t> y0, std::span<double> y1,
                                         std::span<double> weight0, std::span<float> weight1) {
                                        const auto base = static_cast<double>(10 * batch.index);
                                        std::ranges::fill(x, base);
                                        std::ranges::fill(y0, 10 * batch.index + 1);
                                        std::ranges::fill(y1, base + 2);
                                        std::ranges::fill(weight0, base + 3);
                                        std::ranges::fill(weight1, static_cast<float>(base + 4));
                                      }))
                          .source();
  expect_numbered(*source, 7, 2);
}

// A source that knows its fields only when the program runs.
TEST(SeveralFields, are_written_by_number_in_a_source_of_ones_own) {
  class ByNumber : public Source {
   public:
    const BatchSpec& spec() const override { return spec_; }
    std::int64_t fill(BatchContext& batch, const Slot& slot) override {
      number(batch.index, slot.x<float>(), slot.y<std::int32_t>(), slot.y<float>(1),
             slot.sample_weight<float>(), slot.sample_weight<float>(1));
      return 2;
    }

   private:
    BatchSpec spec_{
        {{"x", DType::float32, {2, 2}}},
        {{"y0", DType::int32, {2}}, {"y1", DType::float32, {2, 3}}},
        {{"sample_weight0", DType::float32, {2}}, {"sample_weight1", DType::float32, {2, 1}}}};
  } source;
  expect_numbered(source, 2, 2);

  SlotMemory memory(source.spec());
  const Slot slot = memory.slot();
  EXPECT_TRUE(contains(message_of<ValueError>([&] { (void)slot.x<float>(1); }),
                       "a number below 1, which is how many inputs a batch has, received input 1"));
  EXPECT_TRUE(contains(message_of<ValueError>([&] { (void)slot.y<float>(2); }),
                       "a number below 2, which is how many targets a batch has"));
  EXPECT_TRUE(contains(message_of<ValueError>([&] { (void)slot.sample_weight<float>(2); }),
                       "how many sample weights a batch has, received sample weight 2"));
  EXPECT_TRUE(contains(message_of<DTypeError>([&] { (void)slot.y<float>(0); }),
                       "expected elements of int32 for y0, as its specification says, received a "
                       "request for float32"));
}

template <class... T>
auto device_source(const BatchShapes& shapes) {
  return device_generator<T...>(shapes, [](BatchContext&, DeviceQueue, std::span<T>...) {});
}

TEST(SeveralFields, of_sample_weights_are_one_or_one_for_each_target) {
  EXPECT_EQ((device_source<float, float, float, float>(
                 {.x = {2}, .sample_weight = {2}, .targets = {{2}, {2}}})
                 .source()
                 ->spec()
                 .field(3)
                 .name),
            "sample_weight");
  EXPECT_EQ((device_source<float, float, float>({.x = {2}, .y = {2}, .sample_weights = {{2}}})
                 .source()
                 ->spec()
                 .field(2)
                 .name),
            "sample_weight");
  EXPECT_TRUE(contains(
      message_of<ShapeError>([] {
        (void)device_source<float, float, float, float>(
            {.x = {2}, .y = {2}, .sample_weights = {{2}, {2}}});
      }),
      "generator: expected one sample weight for all targets or one for each of the 1, received "
      "2"));
  EXPECT_TRUE(contains(message_of<ValueError>([] {
                         (void)device_source<float, float, float, float>(
                             {.x = {2}, .y = {2}, .sample_weight = {2}, .sample_weights = {{2}}});
                       }),
                       "expected sample_weight or sample_weights, received both"));
}

TEST(SeveralFields, of_sample_weights_have_the_leading_axes_of_their_targets) {
  const auto make = [](Shape first, Shape second) {
    (void)device_source<float, float, float, float, float>(
        {.x = {4, 1}, .targets = {{4}, {4, 5, 3}}, .sample_weights = {first, second}});
  };
  EXPECT_NO_THROW(make({4}, {4}));
  EXPECT_NO_THROW(make({4, 1}, {4, 5}));
  EXPECT_NO_THROW(make({4, 1}, {4, 1, 3}));
  EXPECT_TRUE(contains(message_of<ShapeError>([&] {
                         make({4}, {4, 3});
                       }),
                       "expected sample_weight1 to have the shape of its target's leading axes, y1 "
                       "(4, 5, 3), received (4, 3)"));
  EXPECT_TRUE(contains(message_of<ShapeError>([&] {
                         make({4, 2}, {4});
                       }),
                       "sample_weight0 to have the shape of its target's leading axes, y0 (4,), "
                       "received (4, 2)"));
  EXPECT_TRUE(contains(message_of<ShapeError>([&] { make({4}, {5}); }),
                       "one batch size for all fields, received x (4, 1) and sample_weight1 (5,)"));
}

TEST(SeveralFields, and_class_weights_do_not_go_together) {
  const BatchSpec spec = device_source<float, float, float, float, float>(
                             {.x = {4, 1}, .targets = {{4}, {4}}, .sample_weights = {{4}, {4}}})
                             .source()
                             ->spec();
  EXPECT_TRUE(contains(message_of<ValueError>([&] {
                         ClassWeights(spec, {{0, 2.0}});
                       }),
                       "class_weight: expected one target, since it is for models with a single "
                       "output, the source gives 2"));
}

}  // namespace
}  // namespace stoker

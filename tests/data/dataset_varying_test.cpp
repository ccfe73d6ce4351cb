// Elements whose shapes differ.
#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "stoker/dataset.h"
#include "stoker/error.h"
#include "stoker/generator.h"

namespace stoker::test {
namespace {

using Ints = std::vector<std::int32_t>;
constexpr std::int64_t kUnknown = Shape::kUnknown;

// Element n is n times n.
Dataset<std::int32_t> repeated(std::int32_t count, MapOptions options = {}) {
  return range(count).map<std::int32_t>(
      {Shape{kUnknown}},
      [](std::span<const std::int32_t> n, VaryingOutput<std::int32_t> out) {
        for (std::int32_t& value : out.take({n[0]})) value = n[0];
      },
      std::move(options));
}

template <class D>
std::vector<Ints> elements_of(const D& dataset, std::int64_t epoch = 0) {
  std::vector<Ints> all;
  dataset.for_each(
      [&](std::span<const std::int32_t> values) { all.emplace_back(values.begin(), values.end()); },
      epoch);
  return all;
}

TEST(DatasetVarying, a_map_decides_on_the_shapes_of_its_results) {
  EXPECT_EQ(elements_of(repeated(4)), (std::vector<Ints>{{}, {1}, {2, 2}, {3, 3, 3}}));
  EXPECT_EQ(elements_of(repeated(4).skip(2)), (std::vector<Ints>{{2, 2}, {3, 3, 3}}));
}

TEST(DatasetVarying, a_map_is_told_the_shapes_of_what_it_reads) {
  const auto sizes = repeated(4).map<std::int32_t>(
      {Shape{}}, [](VaryingInput<std::int32_t> in, VaryingOutput<std::int32_t> out) {
        const std::span<std::int32_t> label = out;
        label[0] = static_cast<std::int32_t>(10 * in.shape()[0] + in.shape().elements());
      });
  EXPECT_EQ(elements_of(sizes.batch(4)), (std::vector<Ints>{{0, 11, 22, 33}}));
}

TEST(DatasetVarying, threads_of_the_stage_make_the_same_elements) {
  for (const int workers : {1, 3}) {
    EXPECT_EQ(elements_of(repeated(50, {.workers = workers})), elements_of(repeated(50)));
  }
}

TEST(DatasetVarying, padded_batches_can_be_asked_for_by_number) {
  const auto longest = repeated(5).padded_batch(2, {Shape{kUnknown}}, {-1});
  EXPECT_TRUE(longest.is_random_access());
  EXPECT_EQ(elements_of(longest), (std::vector<Ints>{{-1, 1}, {2, 2, -1, 3, 3, 3}, {4, 4, 4, 4}}));
  const auto fixed = repeated(3).padded_batch(2, {Shape{3}});
  EXPECT_TRUE(fixed.source().source()->pure());
  EXPECT_EQ(elements_of(fixed), (std::vector<Ints>{{0, 0, 0, 1, 0, 0}, {2, 2, 0}}));
}

TEST(DatasetVarying, padded_batches_by_threads_are_the_same) {
  const auto expected = elements_of(repeated(40).padded_batch(3, {Shape{kUnknown}}));
  for (const int workers : {1, 3}) {
    const auto ahead = repeated(40).padded_batch(3, {Shape{kUnknown}}, {}, {.workers = workers});
    EXPECT_EQ(elements_of(ahead), expected);
    const auto streamed = repeated(40)
                              .filter([](std::span<const std::int32_t>) { return true; })
                              .padded_batch(3, {Shape{kUnknown}}, {}, {.workers = workers});
    EXPECT_EQ(elements_of(streamed), expected);
  }
}

TEST(DatasetVarying, a_generator_decides_on_shapes) {
  const auto dataset = Dataset<std::int32_t>::from_generator({Shape{kUnknown}}, [](std::int64_t) {
    return [n = 0](VaryingOutput<std::int32_t> out) mutable {
      if (n == 3) return false;
      for (std::int32_t& value : out.take({++n})) value = n;
      return true;
    };
  });
  EXPECT_EQ(elements_of(dataset), (std::vector<Ints>{{1}, {2, 2}, {3, 3, 3}}));
}

TEST(DatasetVarying, shapes_other_than_declared_are_refused) {
  const auto wrong = range(3).map<std::int32_t>(
      {Shape{2, kUnknown}}, [](std::span<const std::int32_t>, VaryingOutput<std::int32_t> out) {
        for (std::int32_t& value : out.take({3, 1})) value = 0;
      });
  EXPECT_THROW(elements_of(wrong), Error);
  const auto forgotten = range(3).map<std::int32_t>(
      {Shape{kUnknown}}, [](std::span<const std::int32_t>, VaryingOutput<std::int32_t>) {});
  EXPECT_THROW(elements_of(forgotten), Error);
  EXPECT_THROW(repeated(3).batch(2), ShapeError);
  EXPECT_THROW(repeated(3).padded_batch(2, {Shape{kUnknown}}).source(), ShapeError);
  EXPECT_THROW(elements_of(repeated(5).padded_batch(2, {Shape{3}})), ShapeError);
}

TEST(DatasetVarying, an_element_that_fails_is_replaced) {
  const auto dataset = range(6).map<std::int32_t>(
      {Shape{kUnknown}},
      [](std::span<const std::int32_t> n, VaryingOutput<std::int32_t> out) {
        if (n[0] == 2) throw std::runtime_error("damaged");
        for (std::int32_t& value : out.take({n[0]})) value = n[0];
      },
      {.on_error = OnError::skip});
  const SourceHandle source = dataset.padded_batch(6, {Shape{5}}).source();
  std::vector<std::int32_t> memory(30);
  std::byte* field = reinterpret_cast<std::byte*>(memory.data());
  detail::Failures failures;
  BatchContext batch;
  batch.failures = &failures;
  EXPECT_EQ(source.source()->fill(batch, Slot(source.source()->spec(), &field)), 6);
  EXPECT_EQ(failures.count(), 1);
  EXPECT_EQ(memory[5], 1);
  EXPECT_EQ(memory[15], 3);
}

}  // namespace
}  // namespace stoker::test

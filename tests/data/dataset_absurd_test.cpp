// Datasets with arguments that make no sense, elements that do not fit together, and functions that
// throw.
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/contains.h"
#include "support/message.h"

namespace stoker {
namespace {

using test::contains;
using test::message_of;
using Ints = std::vector<std::int32_t>;

constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();

Ints values_of(const Dataset<std::int32_t>& dataset) {
  Ints all;
  dataset.for_each(
      [&](std::span<const std::int32_t> x) { all.insert(all.end(), x.begin(), x.end()); });
  return all;
}
Dataset<std::int32_t> serial(std::int32_t count) {
  return range(count).filter([](auto) { return true; });
}
Dataset<float, std::int32_t> slices(const Shape& x, const Shape& y) {
  return Dataset<float, std::int32_t>::from_tensor_slices({Tensor(x), Tensor(y, DType::int32)});
}

// ---- Rows ----
TEST(DatasetRows, unbatch_refuses_components_of_different_numbers_of_rows) {
  EXPECT_TRUE(contains(message_of<ShapeError>([] {
                         slices({6, 400}, {6, 1}).unbatch();
                       }),
                       "Dataset, unbatch: expected components with as many rows each"));
  EXPECT_THROW(slices({6, 4}, {6}).unbatch(), ShapeError);
  EXPECT_THROW(slices({6}, {6, 4}).unbatch(), ShapeError);
  EXPECT_THROW(slices({6}, {6}).unbatch(), ShapeError);
  std::int64_t rows = 0;
  slices({6, 4, 2}, {6, 4}).unbatch().for_each([&](auto x, auto y) {
    EXPECT_EQ(x.size(), 2U);
    EXPECT_EQ(y.size(), 1U);
    ++rows;
  });
  EXPECT_EQ(rows, 24);
}

TEST(DatasetRows, unbatch_sees_short_batches_of_which_one_is_shorter) {
  const auto uneven = zip(range(8).batch(4), range(6).batch(4));
  EXPECT_THROW(uneven.unbatch().for_each([](auto, auto) {}), ShapeError);
  EXPECT_EQ(values_of(range(6).batch(4).unbatch()), (Ints{0, 1, 2, 3, 4, 5}));
  const auto padded = zip(range(4).window(4).padded_batch(1, {Shape{Shape::kUnknown}}),
                          range(4).window(2).padded_batch(2, {Shape{Shape::kUnknown}}));
  EXPECT_THROW(padded.unbatch().for_each([](auto, auto) {}), ShapeError);
}

TEST(DatasetRows, a_batch_of_fields_of_which_one_is_shorter_is_not_trained_on) {
  const auto as_floats = [](std::span<const std::int32_t> in, std::span<float> out) {
    for (std::size_t i = 0; i < in.size(); ++i) out[i] = static_cast<float>(in[i]);
  };
  const auto batches = [&](std::int32_t count) {
    return range(count).batch(4).map<float>({Shape{4, 1}}, as_floats);
  };
  Sequential model({Input({1}), Dense(1)}, {.threads = 1});
  model.compile({.optimizer = "sgd", .loss = MeanSquaredError()});
  for (const auto& both : {zip(batches(8), batches(6)), zip(batches(6), batches(8))}) {
    EXPECT_TRUE(contains(message_of<DataError>([&] { model.fit(both, {.verbose = 0}); }),
                         "expected components with as many rows each"));
  }
  EXPECT_EQ(model.fit(zip(batches(6), batches(6)), {.verbose = 0}).feed.batches, 2);
}

TEST(DatasetRows, windows_hold_elements_of_one_shape_only) {
  EXPECT_TRUE(contains(message_of<ShapeError>([] { values_of(range(5).batch(2).window(2)); }),
                       "drop_remainder leaves it out"));
  EXPECT_EQ(values_of(range(4).batch(2).window(2)), (Ints{0, 1, 2, 3}));
  const auto padded = range(6).window(3).padded_batch(1, {Shape{Shape::kUnknown}});
  EXPECT_THROW(padded.window(2), ShapeError);
  EXPECT_THROW(padded.batch(2), ShapeError);
}

TEST(DatasetRows, interleave_goes_through_data_sets_of_one_shape) {
  const auto growing =
      range(1, 4).interleave([](std::span<const std::int32_t> n) { return range(6).batch(n[0]); });
  EXPECT_TRUE(contains(message_of<ShapeError>([&] { values_of(growing); }), "interleave()"));
}

// ---- Advice ----
TEST(DatasetAdvice, says_what_helps_there) {
  const auto windows = range(5).window(3);
  EXPECT_TRUE(contains(message_of<ShapeError>([&] { values_of(windows.batch(2)); }),
                       "drop_remainder leaves it out, padded_batch() fills it up"));
  EXPECT_EQ(values_of(windows.padded_batch(2, {Shape{3}})), (Ints{0, 1, 2, 3, 4, 0}));
  EXPECT_TRUE(
      contains(message_of<ShapeError>([&] { values_of(windows.padded_batch(2, {Shape{2}})); }),
               "padded_batch() fills up and cuts nothing off: give it shapes"));
  EXPECT_TRUE(contains(
      message_of<ShapeError>([&] { windows.padded_batch(2, {Shape{Shape::kUnknown}}).source(); }),
      "Give padded_batch() shapes without Shape::kUnknown"));
  EXPECT_TRUE(contains(message_of<ShapeError>([&] { range(4).source(); }), "Call batch() last"));
  EXPECT_TRUE(
      contains(message_of<ShapeError>([&] { range(4).batch(2).concatenate(range(4).batch(3)); }),
               "map the elements of one of them to that of the other first"));
}

// ---- Sizes ----
TEST(DatasetSizes, too_large_ones_are_errors_of_ours) {
  constexpr std::int64_t kHuge = std::int64_t{1} << 62;
  for (const auto& source : {range(10), serial(10)}) {
    EXPECT_THROW(values_of(source.batch(kHuge)), Error);
    EXPECT_THROW(values_of(source.batch(std::int64_t{1} << 40)), Error);
    EXPECT_THROW(values_of(source.window(kHuge)), Error);
    EXPECT_THROW(values_of(source.padded_batch(kHuge, {Shape{}})), Error);
    EXPECT_THROW(source.prefetch(kMost), ValueError);
    EXPECT_THROW(values_of(source.interleave([](auto) { return range(2); },
                                             {.cycle_length = kMost, .block_length = kMost})),
                 Error);
    EXPECT_THROW(source.map([](std::span<std::int32_t>) {}, {.workers = 1 << 30}), ValueError);
    EXPECT_EQ(values_of(source.shuffle(kMost, 1)).size(), 10U);
    EXPECT_EQ(values_of(source.shard(kMost, 3)), (Ints{3}));
    EXPECT_EQ(values_of(source.take(kMost).skip(8)), (Ints{8, 9}));
    EXPECT_EQ(values_of(source.window(2, {.shift = kMost})), (Ints{0, 1}));
    EXPECT_EQ(values_of(source.window(1, {.stride = kMost})).size(), 10U);
    EXPECT_THROW(source.window(3, {.stride = kMost}), ValueError);
  }
  const Shape unknown{Shape::kUnknown};
  EXPECT_THROW(Dataset<float>::from_generator(
                   {unknown}, [](std::int64_t) { return [](std::span<float>) { return false; }; }),
               ShapeError);
  EXPECT_THROW(
      range(3).map<float>({unknown}, [](std::span<const std::int32_t>, std::span<float>) {}),
      ShapeError);
}

TEST(DatasetSizes, numbers_of_elements_do_not_overflow) {
  EXPECT_EQ(range(10).repeat(kMost).cardinality(), kMost);
  EXPECT_EQ(range(10).repeat(kMost).batch(kMost).cardinality(), 1);
  EXPECT_EQ(range(10).repeat(kMost).batch(2).cardinality(), kMost / 2 + 1);
  EXPECT_EQ(range(10).repeat(kMost).window(kMost).cardinality(), 1);
  EXPECT_EQ(range(10).repeat(kMost).concatenate(range(10).repeat(kMost)).cardinality(), kMost);
  EXPECT_EQ(range(10).repeat(kMost).repeat(kMost).skip(kMost - 1).cardinality(), 1);
  EXPECT_EQ(range(10).padded_batch(kMost, {Shape{}}).cardinality(), 1);
  EXPECT_EQ(values_of(range(3).repeat(kMost).take(4)), (Ints{0, 1, 2, 0}));
}

TEST(DatasetSizes, an_element_without_a_number_is_an_error) {
  const auto far = range(3).repeat().shard(kMost, 1);
  EXPECT_EQ(values_of(far.take(1)), (Ints{1}));
  EXPECT_THROW(values_of(far.take(3)), ValueError);
  EXPECT_THROW(values_of(range(3).repeat().skip(kMost).take(3)), ValueError);
  EXPECT_THROW(values_of(range(3)
                             .repeat()
                             .enumerate()
                             .skip(std::int64_t{1} << 31)
                             .take(1)
                             .map<std::int32_t>(
                                 {Shape{}},
                                 [](std::span<const std::int32_t> n, std::span<const std::int32_t>,
                                    std::span<std::int32_t> out) { out[0] = n[0]; })),
               DataError);
}

// ---- Exceptions ----
// The message of the innermost exception that is nested in an error of ours.
template <class F>
std::string nested(F&& f) {
  try {
    f();
  } catch (const Error& outer) {
    try {
      std::rethrow_if_nested(outer);
      return "nothing nested";
    } catch (const std::exception& inner) {
      return inner.what();
    } catch (...) {
      return "no std::exception";
    }
  } catch (...) {
    return "no error of ours";
  }
  return "nothing was thrown";
}

TEST(DatasetErrors, what_functions_throw_is_nested_in_an_error_that_names_the_stage) {
  const auto throwing = [](std::span<const std::int32_t> x) -> bool {
    if (x[0] == 2) throw std::runtime_error("no such file");
    return true;
  };
  const auto filtered = range(4).filter(throwing);
  EXPECT_EQ(nested([&] { values_of(filtered); }), "no such file");
  EXPECT_TRUE(contains(message_of<DataError>([&] { values_of(filtered); }),
                       "Dataset, filter, element 2: no such file"));
  const auto generated = Dataset<float>::from_generator({Shape{}}, [](std::int64_t) {
    return [n = 0](std::span<float>) mutable -> bool {
      if (n++ == 3) throw 5;
      return true;
    };
  });
  EXPECT_EQ(nested([&] { generated.for_each([](auto) {}); }), "no std::exception");
  EXPECT_TRUE(contains(message_of<DataError>([&] { generated.for_each([](auto) {}); }),
                       "Dataset, from_generator, element 3: "));
  const auto start = Dataset<float>::from_generator({Shape{}}, [](std::int64_t) {
    if (true) throw std::logic_error("no such folder");
    return [](std::span<float>) { return false; };
  });
  EXPECT_EQ(nested([&] { start.for_each([](auto) {}); }), "no such folder");
  const auto opening = range(3).interleave([](std::span<const std::int32_t> x) {
    if (x[0] == 1) throw std::runtime_error("no such shard");
    return range(2);
  });
  EXPECT_TRUE(contains(message_of<DataError>([&] { values_of(opening); }),
                       "Dataset, interleave, element 1: no such shard"));
  EXPECT_EQ(nested([] {
              range(3).interleave([](std::span<const std::int32_t>) -> Dataset<std::int32_t> {
                throw std::runtime_error("not even the first");
              });
            }),
            "not even the first");
}

TEST(DatasetErrors, loops_see_errors_of_ours_too) {
  const auto filtered = range(4).filter([](std::span<const std::int32_t>) -> bool { throw 5; });
  EXPECT_EQ(nested([&] {
              for (const auto& element : filtered) static_cast<void>(element);
            }),
            "no std::exception");
  // What the loop's own function throws is the caller's.
  EXPECT_THROW(range(3).for_each([](auto) { throw std::out_of_range("mine"); }), std::out_of_range);
}

TEST(DatasetErrors, of_threads_that_read_ahead_come_out_alike) {
  const auto filtered = serial(4).filter(
      [](std::span<const std::int32_t>) -> bool { throw std::runtime_error("far away"); });
  for (const auto& ahead :
       {filtered.prefetch(2), filtered.map([](std::span<std::int32_t>) {}, {.workers = 3})}) {
    EXPECT_EQ(nested([&] { values_of(ahead); }), "far away");
  }
}

}  // namespace
}  // namespace stoker

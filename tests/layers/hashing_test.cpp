// Hashing, HashedCrossing and their functions for texts; IntegerLookup. Numbers are those of Keras
// 3.15.1 on TensorFlow 2.21.
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <limits>
#include <string>
#include <vector>

#include "support/contains.h"
#include "support/message.h"

namespace stoker {
namespace {

using test::contains;
using test::message_of;

using Integers = std::vector<std::int64_t>;
using Row = std::vector<float>;

Row numbers_of(const Tensor& y) { return {y.data<float>().begin(), y.data<float>().end()}; }

// What the layer gives for samples of these numbers. Predictions are floats.
Row through(const Layer& layer, const Shape& shape, std::initializer_list<std::int32_t> numbers) {
  Sequential model({Input(shape.without_batch(), {.dtype = "int32"}), layer},
                   {.device = Device::cpu()});
  return numbers_of(model.predict(Tensor::from<std::int32_t>(shape, numbers)));
}

constexpr std::int32_t kLeast = std::numeric_limits<std::int32_t>::min();
constexpr std::int32_t kLargest = std::numeric_limits<std::int32_t>::max();

TEST(HashBin, OfTextsIsKeras) {
  Integers bins, salted, masked;
  for (const char* text : {"A", "B", "C", "D", "E"}) {
    bins.push_back(hash_bin(text, 3));
    salted.push_back(hash_bin(text, 3, {.salt = Salt(133, 137)}));
  }
  for (const char* text : {"A", "B", "", "C", "D"}) {
    masked.push_back(hash_bin(text, 3, TextHashOptions{.mask_value = ""}));
  }
  EXPECT_EQ(bins, (Integers{1, 0, 1, 1, 2}));
  EXPECT_EQ(salted, (Integers{1, 2, 1, 0, 2}));
  EXPECT_EQ(masked, (Integers{1, 1, 0, 2, 2}));
  EXPECT_THROW(hash_bin("a", 0), ValueError);
}

TEST(HashBin, OfNumbersIsTheLayers) {
  EXPECT_EQ(hash_bin(std::int64_t{16777217}, 10), 5);
  EXPECT_EQ(hash_bin(std::int64_t{7}, 10, {.mask_value = 7}), 0);
  EXPECT_EQ(hash_bin(std::int64_t{101}, 10, {.salt = 5}), 9);
}

TEST(CrossedBin, OfTextsAndNumbersIsKeras) {
  Integers bins;
  const char* texts[] = {"A", "B", "A", "B", "A"};
  const int numbers[] = {101, 101, 101, 102, 102};
  for (std::size_t i = 0; i < 5; ++i) bins.push_back(crossed_bin({texts[i], numbers[i]}, 5));
  EXPECT_EQ(bins, (Integers{1, 4, 1, 1, 3}));
  EXPECT_THROW(crossed_bin({"A"}, 5), ValueError);
}

TEST(Hashing, IsKeras) {
  const auto bins = [](const HashingOptions& options) {
    return through(Hashing(10, options), {9, 1},
                   {0, 1, -1, 7, 42, 101, kLeast, kLargest, 16777217});
  };
  EXPECT_EQ(bins({}), (Row{5, 9, 0, 8, 6, 3, 9, 7, 5}));
  EXPECT_EQ(bins({.salt = 5}), (Row{5, 3, 7, 1, 8, 9, 5, 6, 6}));
  EXPECT_EQ(bins({.mask_value = 7}), (Row{2, 1, 4, 0, 4, 2, 5, 9, 3}));
  EXPECT_EQ(through(Hashing(1, {.mask_value = 7}), {2, 1}, {7, 8}), (Row{0, 0}));
}

TEST(Hashing, MakesRows) {
  const auto rows = [](const char* mode) {
    return through(Hashing(4, {.output_mode = mode}), {3, 3},
                   {0, 1, -1, 7, 42, 101, kLeast, kLargest, 16777217});
  };
  EXPECT_EQ(rows("count"), (Row{0, 1, 1, 1, 2, 1, 0, 0, 0, 3, 0, 0}));
  EXPECT_EQ(rows("multi_hot"), (Row{0, 1, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0}));
  EXPECT_EQ(through(Hashing(4, {.output_mode = "one_hot"}), {3, 1}, {0, 1, -1}),
            (Row{0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 1, 0}));
}

TEST(Hashing, DropsFractions) {
  Sequential model({Input({1}), Hashing(10)}, {.device = Device::cpu()});
  const Tensor y = model.predict(Tensor::from<float>({3, 1}, {1.7f, -1.7f, 3.0f}));
  EXPECT_EQ(numbers_of(y), (Row{9, 0, 1}));
}

TEST(Hashing, ReadsKerasTypeOfWholeNumbers) {
  const Config config = Config::from_json(R"({"name": "h", "trainable": true, "dtype": {
    "module": "keras", "class_name": "DTypePolicy", "config": {"name": "int64"},
    "registered_name": null}, "num_bins": 3, "salt": [1, 2], "mask_value": null,
    "output_mode": "int", "sparse": false})");
  EXPECT_EQ(layer_from_config("Hashing", config).name(), "h");
  const Config crossing = Config::from_json(
      R"({"num_bins": 3, "output_mode": "int", "sparse": false, "name": "c", "dtype": "int64"})");
  EXPECT_EQ(layer_from_config("HashedCrossing", crossing).name(), "c");
}

TEST(Hashing, RefusesBadOptions) {
  EXPECT_THROW(Hashing(0), ValueError);
  EXPECT_THROW(Hashing(3, {.output_mode = "tf_idf"}), ValueError);
  EXPECT_THROW(Hashing(3, {.mask_value = std::int64_t{1} << 40}), ValueError);
  EXPECT_THROW(HashedCrossing(3, {.output_mode = "count"}), ValueError);
}

TEST(HashedCrossing, IsKeras) {
  const Value a = Input({1}, {.dtype = "int32"}), b = Input({1}, {.dtype = "int32"});
  Model model({a, b}, {HashedCrossing(1000)({a, b})}, {.device = Device::cpu()});
  const Tensor y = model.predict(
      std::vector<Tensor>{Tensor::from<std::int32_t>({4, 1}, {0, 1, -1, kLeast}),
                          Tensor::from<std::int32_t>({4, 1}, {16777217, kLargest, kLeast, -1})});
  EXPECT_EQ(numbers_of(y), (Row{315, 827, 865, 371}));
}

TEST(HashedCrossing, RefusesInputsThatItCannotCross) {
  const Value a = Input({1}, {.dtype = "int32"}), b = Input({1}),
              c = Input({2}, {.dtype = "int32"});
  EXPECT_THROW(HashedCrossing(5)({a, b}), DTypeError);
  EXPECT_THROW(HashedCrossing(5)({a, c}), ShapeError);
}

TEST(IntegerLookup, LearnsItsVocabulary) {
  const Layer lookup = IntegerLookup();
  adapt(lookup, Tensor::from<std::int32_t>({2, 3}, {3, 3, 9, 9, 9, -5}));
  EXPECT_EQ(get_vocabulary(lookup), (Integers{-1, 9, 3, -5}));
  EXPECT_EQ(get_vocabulary(lookup, false), (Integers{9, 3, -5}));
  EXPECT_EQ(through(lookup, {1, 4}, {9, 3, -5, 7}), (Row{1, 2, 3, 0}));
  EXPECT_THROW(set_vocabulary(lookup, {1}), ValueError) << "It is in a model now.";
}

TEST(IntegerLookup, SpreadsUnknownNumbers) {
  const auto indices = [](IntegerLookupOptions options) {
    options.vocabulary = {10, 20, 30};
    options.num_oov_indices = 3;
    return through(IntegerLookup(options), {1, 5}, {20, 0, -1, 5, 31});
  };
  EXPECT_EQ(indices({}), (Row{4, 0, 2, 2, 1}));
  EXPECT_EQ(indices({.oov_method = "farmhash"}), (Row{4, 1, 0, 1, 1}));
  EXPECT_EQ(indices({.mask_token = 0, .oov_method = "farmhash", .salt = 7}), (Row{5, 0, 1, 2, 2}));
}

TEST(IntegerLookup, MakesRows) {
  const auto rows = [](const char* mode) {
    return through(IntegerLookup({.mask_token = 0, .vocabulary = {10, 20}, .output_mode = mode}),
                   {2, 4}, {20, 0, 5, 20, 10, 10, 10, 0});
  };
  EXPECT_EQ(rows("one_hot"),
            (Row{0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0}));
  EXPECT_EQ(rows("multi_hot"), (Row{1, 0, 1, 0, 1, 0}));
  EXPECT_EQ(rows("count"), (Row{1, 0, 2, 0, 3, 0}));
}

TEST(IntegerLookup, WeighsRows) {
  const Layer lookup =
      IntegerLookup({.max_tokens = 5, .output_mode = "tf_idf", .pad_to_max_tokens = true});
  adapt(lookup, Tensor::from<std::int32_t>({2, 3}, {3, 3, 9, 9, 9, -5}));
  const Row rows = through(lookup, {2, 3}, {3, 9, 9, 1, 1, -5});
  const Row expected{0,
                     1.021651268005371f,
                     0.6931471824645996f,
                     0,
                     0,
                     1.2647466659545898f,
                     0,
                     0,
                     0.6931471824645996f,
                     0};
  ASSERT_EQ(rows.size(), expected.size());
  for (std::size_t i = 0; i < rows.size(); ++i) EXPECT_FLOAT_EQ(rows[i], expected[i]) << i;
}

TEST(IntegerLookup, GivesNumbersForIndices) {
  const Layer lookup = IntegerLookup({.mask_token = 0, .vocabulary = {10, 20}, .invert = true});
  EXPECT_EQ(through(lookup, {1, 5}, {0, 1, 2, 3, 4}), (Row{0, -1, 10, 20, -1}));
}

TEST(IntegerLookup, EndsTheStepAtANumberWithoutAnIndex) {
  const Layer lookup = IntegerLookup({.num_oov_indices = 0, .vocabulary = {10, 20}});
  try {
    through(lookup, {1, 3}, {10, 11, 20});
    FAIL();
  } catch (const DataError& error) {
    EXPECT_TRUE(contains(error.what(), "number 11, which is element 1"));
  }
}

TEST(IntegerLookup, RefusesBadVocabularies) {
  EXPECT_TRUE(contains(message_of<ValueError>([] {
                         IntegerLookup({.vocabulary = {1, 2, 1}});
                       }),
                       "more than once: 1"));
  EXPECT_THROW(IntegerLookup({.mask_token = 2, .vocabulary = {1, 2}}), ValueError);
  EXPECT_THROW(IntegerLookup({.vocabulary = {std::int64_t{1} << 40}}), ValueError);
  EXPECT_THROW(IntegerLookup({.vocabulary = {1}, .salt = 3}), ValueError);
  EXPECT_THROW(through(IntegerLookup(), {1, 1}, {1}), ValueError);
  EXPECT_THROW(get_vocabulary(Dense(1)), ValueError);
}

}  // namespace
}  // namespace stoker

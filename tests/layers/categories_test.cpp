// CategoryEncoding and Discretization beside what golden cases compare.
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "support/contains.h"
#include "support/message.h"

namespace stoker {
namespace {

using test::contains;
using test::message_of;

std::vector<float> through(const Layer& layer, const Tensor& x, const char* dtype = "float32") {
  Sequential model({Input(x.shape().without_batch(), {.dtype = dtype}), layer},
                   {.device = Device::cpu()});
  const Tensor y = model.predict(x);
  return {y.data<float>().begin(), y.data<float>().end()};
}

TEST(Categories, OfASequenceAreRowsOfTheirOwnOrOne) {
  const Tensor x = Tensor::from<std::int32_t>({1, 3}, {2, 0, 2});
  EXPECT_EQ(through(CategoryEncoding(3), x, "int32"), (std::vector<float>{1, 0, 1}));
  EXPECT_EQ(through(CategoryEncoding(3, {.output_mode = "count"}), x, "int32"),
            (std::vector<float>{1, 0, 2}));
  EXPECT_EQ(through(CategoryEncoding(3, {.output_mode = "one_hot"}), x, "int32"),
            (std::vector<float>{0, 0, 1, 1, 0, 0, 0, 0, 1}));
  const Tensor column = Tensor::from<std::int32_t>({2, 1}, {1, 0});
  EXPECT_EQ(through(CategoryEncoding(2, {.output_mode = "one_hot"}), column, "int32"),
            (std::vector<float>{0, 1, 1, 0}));
}

TEST(Categories, OutsideOfTheTokensEndTheStep) {
  for (const std::int32_t number : {3, -1}) {
    EXPECT_THROW(
        through(CategoryEncoding(3), Tensor::from<std::int32_t>({1, 1}, {number}), "int32"),
        DataError);
  }
}

TEST(Categories, OfNumbersAreTheirBins) {
  const Tensor x = Tensor::from<float>({1, 5}, {-2.0f, -1.0f, 0.25f, 0.5f, 9.0f});
  EXPECT_EQ(through(Discretization({-1.0, 0.5}), x), (std::vector<float>{0, 1, 1, 2, 2}));
  EXPECT_EQ(through(Discretization({-1.0, 0.5}, {.output_mode = "count"}), x),
            (std::vector<float>{1, 2, 2}));
}

TEST(Categories, RefuseWhatMakesNoSense) {
  const auto refused = [](const std::function<void()>& f, const std::string& what) {
    EXPECT_TRUE(contains(message_of<ValueError>(f), what));
  };
  refused([] { CategoryEncoding(0); }, "expected num_tokens of 1 or more");
  refused([] { CategoryEncoding(3, {.output_mode = "int"}); }, "received \"int\"");
  refused([] { Discretization({}); }, "received none");
  refused([] { Discretization({1.0, 1.0}); }, "in ascending order, received 1 1");
}

}  // namespace
}  // namespace stoker

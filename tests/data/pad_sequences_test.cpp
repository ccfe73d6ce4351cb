#include "stoker/pad_sequences.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "stoker/error.h"

namespace stoker::test {
namespace {

template <class T>
std::vector<T> values_of(const Tensor& tensor) {
  return {tensor.data<T>().begin(), tensor.data<T>().end()};
}

TEST(PadSequences, floats_are_padded_too) {
  const Tensor padded = pad_sequences(std::vector<std::vector<float>>{{1.5f}, {}, {2.0f, 3.0f}},
                                      {.padding = PadSide::post, .value = -1.0f});
  EXPECT_EQ(padded.shape(), (Shape{3, 2}));
  EXPECT_EQ(values_of<float>(padded), (std::vector<float>{1.5f, -1, -1, -1, 2, 3}));
}

TEST(PadSequences, no_sequences_and_no_length_are_empty) {
  EXPECT_EQ(pad_sequences(std::vector<std::vector<float>>{}).shape(), (Shape{0, 0}));
  EXPECT_EQ(pad_sequences(std::vector<std::vector<float>>{{1}}, {.maxlen = 0}).shape(),
            (Shape{1, 0}));
}

TEST(PadSequences, refuses_lengths_and_values_that_make_no_sense) {
  const std::vector<std::vector<std::int32_t>> ids{{1}};
  EXPECT_THROW(pad_sequences(ids, {.maxlen = -1}), ValueError);
  EXPECT_THROW(pad_sequences(ids, {.value = 0x1p31f}), ValueError);
  EXPECT_THROW(pad_sequences(ids, {.value = std::numeric_limits<float>::quiet_NaN()}), ValueError);
}

TEST(ToCategorical, a_last_axis_of_one_is_left_out) {
  const Tensor x = Tensor::from<std::uint8_t>({2, 1}, {1, 0});
  const Tensor y = to_categorical(x);
  EXPECT_EQ(y.shape(), (Shape{2, 2}));
  EXPECT_EQ(values_of<float>(y), (std::vector<float>{0, 1, 1, 0}));
}

TEST(ToCategorical, refuses_classes_out_of_range) {
  EXPECT_THROW(to_categorical(Tensor::from<std::int32_t>({1}, {3}), 3), ValueError);
  EXPECT_THROW(to_categorical(Tensor::from<std::int32_t>({1}, {-1}), 3), ValueError);
  EXPECT_THROW(to_categorical(Tensor::from<std::int32_t>({1}, {-1})), ValueError);
  EXPECT_THROW(to_categorical(Tensor(Shape{0}, DType::int32)), ValueError);
  EXPECT_THROW(to_categorical(Tensor::from<float>({1}, {1})), DTypeError);
}

}  // namespace
}  // namespace stoker::test

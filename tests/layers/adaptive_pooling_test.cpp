// Adaptive pooling: means and maxima over windows of the definition, in each number of dimensions.
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace stoker {
namespace {

// Of one channel along an axis of `outer` times `extent` times `inner` elements.
std::vector<double> along_axis(const std::vector<double>& x, std::int64_t extent,
                               std::int64_t inner, std::int64_t count, bool is_max) {
  const auto outer = static_cast<std::int64_t>(x.size()) / (extent * inner);
  std::vector<double> y;
  for (std::int64_t o = 0; o < outer; ++o) {
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int64_t begin = i * extent / count;
      const std::int64_t end = ((i + 1) * extent + count - 1) / count;
      for (std::int64_t k = 0; k < inner; ++k) {
        double sum = 0.0, most = -1e9;
        for (std::int64_t at = begin; at < end; ++at) {
          const double value = x[static_cast<std::size_t>((o * extent + at) * inner + k)];
          sum += value;
          most = std::max(most, value);
        }
        y.push_back(is_max ? most : sum / static_cast<double>(end - begin));
      }
    }
  }
  return y;
}

void expect_pooled(const Layer& layer, const Shape& input, const std::vector<std::int64_t>& counts,
                   bool is_max) {
  const Tensor x = Tensor::uniform(input.with_batch(3), -1.0f, 1.0f, 5);
  Sequential model({Input(input), layer}, {.device = Device::cpu()});
  const Tensor y = model.predict(x);
  std::vector<double> expected(x.data<float>().begin(), x.data<float>().end());
  Shape shape = x.shape();
  for (std::size_t d = 0; d < counts.size(); ++d) {
    std::int64_t inner = 1;
    for (std::size_t i = d + 2; i < shape.rank(); ++i) inner *= shape[i];
    expected = along_axis(expected, shape[d + 1], inner, counts[d], is_max);
    shape[d + 1] = counts[d];
  }
  ASSERT_EQ(y.shape(), shape);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(y.data<float>()[i], expected[i], 1e-6) << i;
  }
}

TEST(AdaptivePooling, IsOverTheWindowsOfItsDefinition) {
  for (const std::int64_t count : {1, 3, 4, 7, 12, 15}) {
    expect_pooled(AdaptiveAveragePooling1D(count), {12, 2}, {count}, false);
    expect_pooled(AdaptiveMaxPooling1D(count), {12, 2}, {count}, true);
  }
  expect_pooled(AdaptiveAveragePooling2D({3, 5}), {7, 10, 2}, {3, 5}, false);
  expect_pooled(AdaptiveMaxPooling2D(3), {8, 9, 1}, {3, 3}, true);
  expect_pooled(AdaptiveAveragePooling3D(2), {4, 5, 3, 2}, {2, 2, 2}, false);
  expect_pooled(AdaptiveMaxPooling3D({1, 2, 3}), {4, 5, 3, 2}, {1, 2, 3}, true);
}

TEST(AdaptivePooling, RefusesWhatMakesNoSense) {
  EXPECT_THROW(AdaptiveMaxPooling2D({3, 0}), ValueError);
  EXPECT_THROW(AdaptiveMaxPooling2D(3)(Input({8, 8})), ShapeError);
}

}  // namespace
}  // namespace stoker

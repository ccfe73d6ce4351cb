#include "layers/preprocessing/gaussian.h"

#include <vector>

#include "ops/common.h"

namespace stoker::layers {

using graph::Expr;
using graph::Value;

// A kernel of exp(-(x / deviation)^2 / 2), whose numbers add up to 1, goes over each channel by
// itself.
Value blurred(Value images, std::int64_t axis, std::int64_t size, Value deviation, bool cuts_off) {
  const std::int64_t channels = images.shape()[3];
  const std::int64_t half = (size - 1) / 2;
  std::vector<float> places;
  for (std::int64_t i = -half; i <= half; ++i) places.push_back(static_cast<float>(i));
  const Value place = ops::constant(*images.graph, {size, 1, 1, 1}, std::move(places));
  const Value weights = ops::map(place, deviation, [&](Expr at, Expr sigma) {
    const Expr scaled = at / sigma;
    const Expr weight = exp(scaled * scaled * -0.5f);
    return cuts_off ? weight * less_equal(abs(at), floor(sigma * 3.0f)) : weight;
  });
  const Value sum = ops::reduce_sum(weights, {0}, true);
  const Value shares = ops::map(weights, sum, [](Expr weight, Expr all) { return weight / all; });
  const bool is_column = axis == 1;
  const Value of_channels = ops::broadcast_to(shares, {size, 1, 1, channels});
  const Value kernel = is_column ? of_channels : ops::reshape(of_channels, {1, size, 1, channels});
  ops::Conv2DAttributes attributes;
  attributes.groups = channels;
  attributes.padding_before[is_column ? 0 : 1] = half;
  attributes.padding_after[is_column ? 0 : 1] = half;
  return ops::conv2d(images, kernel, attributes);
}

}  // namespace stoker::layers

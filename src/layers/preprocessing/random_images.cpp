#include "layers/preprocessing/random_images.h"

#include "core/check.h"
#include "stoker/error.h"

namespace stoker {

Factor FieldType<Factor>::read(const Config& config) {
  if (config.is_number()) return config.number();
  if (!config.is_list() || config.size() != 2) {
    throw ValueError(format("expected a number or two, received ", config.described()));
  }
  return {config.at(0).number(), config.at(1).number()};
}

Config FieldType<Factor>::write(const Factor& value) {
  return Config::list({value.lower, value.upper});
}

namespace layers {

void require_factor(const LayerBase& layer, const char* what, const Factor& factor, double low,
                    double high) {
  check::require(layer.label(), what, factor.lower, check::closed(low, high));
  check::require(layer.label(), what, factor.upper, check::closed(low, high));
}

graph::Expr ImageDraws::between(graph::Expression& expression, std::uint32_t index, double low,
                                double high) {
  if (low == high) return {&expression, expression.constant(static_cast<float>(low))};
  if (streams_.size() <= index) streams_.resize(index + 1);
  if (!streams_[index]) streams_[index] = noise_stream(context_, seed_, index);
  return uniform(&expression, *streams_[index]) * static_cast<float>(high - low) +
         static_cast<float>(low);
}

// Box, Muller: "A note on the generation of random normal deviates", 1958. The logarithm is of a
// number in (0, 1], so it is finite.
graph::Expr ImageDraws::normal(graph::Expression& expression, std::uint32_t index) {
  constexpr double kTwoPi = 6.283185307179586;
  const graph::Expr radius = sqrt(log(1.0f - between(expression, index, 0.0, 1.0)) * -2.0f);
  return radius * apply(graph::ExprOp::cos, between(expression, index + 1, 0.0, kTwoPi));
}

}  // namespace layers
}  // namespace stoker

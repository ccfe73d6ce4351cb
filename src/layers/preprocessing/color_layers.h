// The base of layers that change the colors of images, and what they are described from.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "core/format.h"
#include "layers/preprocessing/random_images.h"
#include "layers/reshaping/spatial.h"
#include "stoker/error.h"

namespace stoker {

// Keras takes one number f for {0, f} where a factor is not negative.
struct PositiveFactor {
  Factor range;
};

template <>
struct FieldType<PositiveFactor> {
  static PositiveFactor read(const Config& config) {
    if (config.is_number()) return {Factor(0.0, config.number())};
    return {FieldType<Factor>::read(config)};
  }
  static Config write(const PositiveFactor& value) { return FieldType<Factor>::write(value.range); }
};

namespace layers {

inline PositiveFactor positive(const Factor& factor) {
  const bool is_symmetric = factor.lower == -factor.upper;
  return {is_symmetric ? Factor(0.0, factor.upper) : factor};
}

// A number of each image, (batch, 1, 1, 1).
inline graph::Value of_each_image(graph::Value images,
                                  const std::function<graph::Expr(graph::Expression&)>& draw) {
  graph::Expression expression;
  expression.add_output(draw(expression).id);
  return ops::pointwise(*images.graph, {images.shape()[0], 1, 1, 1}, {}, expression)[0];
}

// Throws ValueError.
inline void require_range_of_values(const LayerBase& layer, const std::vector<double>& range) {
  if (range.size() != 2 || !(range[0] < range[1])) {
    throw ValueError(format(layer.label(), ": expected a value_range {low, high}, received ",
                            range.size() == 2 ? format(range[0], " and ", range[1])
                                              : format(range.size(), " numbers")));
  }
}

template <class Arguments>
class ColorLayer : public DescribedLayer<Arguments> {
 public:
  using DescribedLayer<Arguments>::DescribedLayer;

  graph::Value apply(BuildContext& context, graph::Value x) override {
    require_rank(x, 4, layout_advice(2));
    x = context.to_compute(x);
    if (!context.training()) return x;
    ImageDraws draws(context, this->arguments_.options.seed);
    return ops::cast(change(x, draws), x.dtype());
  }

 protected:
  virtual graph::Value change(graph::Value images, ImageDraws& draws) const = 0;

  void require_value_range() const {
    require_range_of_values(*this, this->arguments_.options.value_range);
  }
  float lowest() const { return static_cast<float>(this->arguments_.options.value_range[0]); }
  float highest() const { return static_cast<float>(this->arguments_.options.value_range[1]); }
  graph::Expr within_range(graph::Expr value) const { return min(max(value, lowest()), highest()); }
};

inline void describe_color_options(Fields& fields, RandomColorOptions& options) {
  describe_layout(fields, options);
  fields("value_range", options.value_range);
  fields("seed", options.seed);
}

template <class L, class Arguments>
Layer make_layer(Arguments arguments) {
  return Layer(std::make_shared<L>(std::move(arguments)));
}

}  // namespace layers
}  // namespace stoker

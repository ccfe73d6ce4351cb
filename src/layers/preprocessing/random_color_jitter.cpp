// RandomColorJitter: brightness, contrast, saturation and hue, one after the other.
#include <utility>

#include "layers/preprocessing/color_layers.h"
#include "layers/preprocessing/parts.h"
#include "layers/registry.h"
#include "ops/common.h"

namespace stoker {
namespace {

using graph::Value;

struct JitterArguments {
  RandomColorJitterOptions options{};
};

void describe_positive(Fields& fields, const char* name, std::optional<Factor>& factor) {
  std::optional<PositiveFactor> range;
  if (factor) range = PositiveFactor{*factor};
  fields(name, range);
  factor = range ? std::optional(range->range) : std::nullopt;
}

void describe(Fields& fields, JitterArguments& jitter) {
  RandomColorJitterOptions& options = jitter.options;
  layers::describe_layout(fields, options);
  fields("value_range", options.value_range);
  fields("brightness_factor", options.brightness_factor);
  describe_positive(fields, "contrast_factor", options.contrast_factor);
  describe_positive(fields, "saturation_factor", options.saturation_factor);
  describe_positive(fields, "hue_factor", options.hue_factor);
  fields("seed", options.seed);
}

class JitterLayer final : public layers::DescribedLayer<JitterArguments> {
 public:
  explicit JitterLayer(JitterArguments arguments)
      : DescribedLayer("RandomColorJitter", std::move(arguments)) {
    const RandomColorJitterOptions& options = arguments_.options;
    layers::require_range_of_values(*this, options.value_range);
    const auto part = [&](const auto& make, const std::optional<Factor>& factor, const char* what,
                          double low, std::uint64_t number) {
      if (!factor) return;
      layers::require_factor(*this, what, *factor, low, 1);
      parts_.push_back(
          make(*factor, RandomColorOptions{.value_range = options.value_range,
                                           .seed = layers::seed_of(options.seed, number),
                                           .dtype = options.dtype}));
    };
    part(RandomBrightness, options.brightness_factor, "a brightness_factor", -1, 0);
    part(RandomContrast, options.contrast_factor, "a contrast_factor", 0, 1);
    part(RandomSaturation, options.saturation_factor, "a saturation_factor", 0, 2);
    part(RandomHue, options.hue_factor, "a hue_factor", 0, 3);
  }

  Value apply(layers::BuildContext& context, Value x) override {
    layers::require_rank(x, 4, layers::layout_advice(2));
    x = context.to_compute(x);
    if (!context.training()) return x;
    std::uint32_t number = 0;
    for (const Layer& part : parts_) x = layers::result_of(context, part, x, number++);
    return x;
  }

 private:
  std::vector<Layer> parts_;
};

}  // namespace

Layer RandomColorJitter(RandomColorJitterOptions options) {
  for (std::optional<Factor>* factor :
       {&options.contrast_factor, &options.saturation_factor, &options.hue_factor}) {
    if (*factor) *factor = layers::positive(**factor).range;
  }
  return layers::make_layer<JitterLayer>(JitterArguments{std::move(options)});
}
Layer layers::make_RandomColorJitter(Fields& fields) {
  return make_layer<JitterLayer>(fields.all<JitterArguments>());
}

}  // namespace stoker

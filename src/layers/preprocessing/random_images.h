// What the layers that change images at random share.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "layers/fields.h"
#include "layers/regularization/noise.h"
#include "ops/ops.h"

namespace stoker {

template <>
struct FieldType<Factor> {
  static Factor read(const Config& config);
  static Config write(const Factor& value);
};

}  // namespace stoker

namespace stoker::layers {

// Describes the fields that all of these layers have.
template <class Options>
void describe_layout(Fields& fields, Options& options) {
  describe_common(fields, options);
  fields.always("data_format", "channels_last");
  fields.never({"bounding_box_format"});
}

// Throws ValueError unless the factor's bounds lie in [low, high].
void require_factor(const LayerBase& layer, const char* what, const Factor& factor, double low,
                    double high);

// Random numbers of each image. Draws by one index are the same number wherever they stand.
class ImageDraws {
 public:
  ImageDraws(BuildContext& context, const std::optional<std::uint64_t>& seed)
      : context_(context), seed_(seed) {}

  // A number in [low, high).
  graph::Expr between(graph::Expression& expression, std::uint32_t index, double low, double high);
  graph::Expr between(graph::Expression& expression, std::uint32_t index, const Factor& factor) {
    return between(expression, index, factor.lower, factor.upper);
  }

  // 1 with a probability that is drawn from `probability`, which takes two draws: `index` and the
  // one behind it.
  graph::Expr happens(graph::Expression& expression, std::uint32_t index,
                      const Factor& probability) {
    const graph::Expr limit = between(expression, index, probability);
    return less(between(expression, index + 1, 0.0, 1.0), limit);
  }
  // A normal number of mean 0 and deviation 1, which takes two draws.
  graph::Expr normal(graph::Expression& expression, std::uint32_t index);

 private:
  BuildContext& context_;
  std::optional<std::uint64_t> seed_;
  std::vector<std::optional<std::uint32_t>> streams_;
};

}  // namespace stoker::layers

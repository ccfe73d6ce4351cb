// Equalization: values of each channel, about equally often in the batch.
#include <utility>

#include "core/check.h"
#include "layers/preprocessing/color_layers.h"
#include "layers/preprocessing/histogram.h"
#include "layers/registry.h"
#include "ops/common.h"

namespace stoker {
namespace {

using graph::Expr;
using graph::Value;

struct EqualizationArguments {
  EqualizationOptions options{};
};
void describe(Fields& fields, EqualizationArguments& arguments) {
  layers::describe_layout(fields, arguments.options);
  fields("value_range", arguments.options.value_range);
  fields("bins", arguments.options.bins);
}

class EqualizationLayer final : public layers::DescribedLayer<EqualizationArguments> {
 public:
  explicit EqualizationLayer(EqualizationArguments arguments)
      : DescribedLayer("Equalization", std::move(arguments)) {
    layers::require_range_of_values(*this, arguments_.options.value_range);
    check::require(label(), "bins", arguments_.options.bins, check::closed(2, 65536));
  }

  Value apply(layers::BuildContext& context, Value x) override {
    layers::require_rank(x, 4, layers::layout_advice(2));
    x = context.to_compute(x);
    if (!context.training()) return x;
    const auto low = static_cast<float>(arguments_.options.value_range[0]);
    const auto high = static_cast<float>(arguments_.options.value_range[1]);
    const std::int64_t bins = arguments_.options.bins;
    const auto last = static_cast<float>(bins - 1);
    const std::int64_t channels = x.shape()[3];
    graph::Graph& graph = *x.graph;

    const Value images = ops::to_float(x);
    const Value bin_of = ops::map(images, [=](Expr value) {
      const Expr byte = (value - low) * (255.0f / (high - low));
      return layers::bin(byte * last / 255.0f, last);
    });
    // How many pixels of the batch lie in each bin or below, (channels, bins).
    Shape with_bins = x.shape();
    with_bins.push_back(1);
    const Value bin = layers::counting(graph, 5, 4, bins);
    const Value counts = ops::reduce(
        ops::ReduceKind::sum, ops::reshape(bin_of, with_bins), bin,
        [](Expr of_pixel, Expr number) { return less_equal(of_pixel, number); }, {0, 1, 2});
    const Value all = ops::slice(counts, 1, bins - 1, 1);
    // The count of the first bin that is not empty.
    const Value least = ops::reduce(
        ops::ReduceKind::min, counts, all,
        [](Expr count, Expr most) { return select(less(0.0f, count), count, most); }, {1}, true);
    const Value table = ops::map(counts, least, all, [=](Expr count, Expr first, Expr most) {
      const Expr rest = most - first;
      const Expr value = (count - first) * 255.0f / select(less(0.0f, rest), rest, rest + 1.0f);
      return min(max(layers::nearest(value), 0.0f), 255.0f) * ((high - low) / 255.0f) + low;
    });
    const Value row =
        ops::add(bin_of, layers::counting(graph, 4, 3, channels, static_cast<double>(bins)));
    const Value equalized =
        ops::reshape(ops::embedding(ops::reshape(table, {channels * bins, 1}), row), x.shape());
    const Value is_flat =
        ops::reshape(ops::map(least, all, [](Expr first, Expr most) { return equal(first, most); }),
                     {1, 1, 1, channels});
    const Value y = ops::map(images, equalized, is_flat, [](Expr value, Expr other, Expr is) {
      return select(is, value, other);
    });
    return ops::cast(y, x.dtype());
  }
};

}  // namespace

Layer Equalization(EqualizationOptions options) {
  return layers::make_layer<EqualizationLayer>(EqualizationArguments{std::move(options)});
}
Layer layers::make_Equalization(Fields& fields) {
  return make_layer<EqualizationLayer>(fields.all<EqualizationArguments>());
}

}  // namespace stoker

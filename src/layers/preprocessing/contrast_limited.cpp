// ContrastLimitedAdaptiveHistogramEqualization. Zuiderveld: "Contrast limited adaptive histogram
// equalization", in Graphics Gems IV, 1994.
#include <algorithm>
#include <cmath>
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

constexpr std::int64_t kBins = 256;

struct ClaheArguments {
  ContrastLimitedOptions options{};
};
void describe(Fields& fields, ClaheArguments& arguments) {
  layers::describe_layout(fields, arguments.options);
  fields("value_range", arguments.options.value_range);
  fields("clip_limit", arguments.options.clip_limit);
  fields("tile_grid_size", arguments.options.tile_grid_size);
}

// The tiles of an axis, and for each of its pixels the two whose middles are nearest, the first one
// of which counts 1 - share and the other share.
struct Tiles {
  Tiles(std::int64_t extent, std::int64_t count)
      : count(count), size((extent + count - 1) / count) {
    for (std::int64_t i = 0; i < extent; ++i) {
      const auto tile = static_cast<double>(size);
      const double at = (static_cast<double>(i) - tile / 2.0) / tile;
      const auto first = static_cast<std::int64_t>(std::floor(at));
      const auto inside = [&](std::int64_t number) {
        return static_cast<float>(std::clamp<std::int64_t>(number, 0, count - 1));
      };
      nearest[0].push_back(inside(first));
      nearest[1].push_back(inside(first + 1));
      shares.push_back(static_cast<float>(at - std::floor(at)));
    }
  }
  std::int64_t count, size;
  std::vector<float> nearest[2], shares;
};

class ClaheLayer final : public layers::DescribedLayer<ClaheArguments> {
 public:
  explicit ClaheLayer(ClaheArguments arguments)
      : DescribedLayer("ContrastLimitedAdaptiveHistogramEqualization", std::move(arguments)) {
    const ContrastLimitedOptions& options = arguments_.options;
    layers::require_range_of_values(*this, options.value_range);
    check::require(label(), "a clip_limit", options.clip_limit, check::finite());
    layers::require_along_axis(*this, "a tile_grid_size", options.tile_grid_size.height);
    layers::require_along_axis(*this, "a tile_grid_size", options.tile_grid_size.width);
  }

  // It acts whether training or not, as in Keras.
  Value apply(layers::BuildContext& context, Value x) override {
    layers::require_rank(x, 4, layers::layout_advice(2));
    x = context.to_compute(x);
    const auto low = static_cast<float>(arguments_.options.value_range[0]);
    const auto high = static_cast<float>(arguments_.options.value_range[1]);
    const Tiles rows(x.shape()[1], arguments_.options.tile_grid_size.height);
    const Tiles columns(x.shape()[2], arguments_.options.tile_grid_size.width);
    const Value bins = ops::map(ops::to_float(x), [=](Expr value) {
      return layers::bin((value - low) * (255.0f / (high - low)), 255.0f);
    });
    const Value y = interpolated(tables(bins, rows, columns), bins, rows, columns);
    const Value scaled =
        ops::map(y, [=](Expr byte) { return byte * ((high - low) / 255.0f) + low; });
    return ops::cast(scaled, x.dtype());
  }

 private:
  // What each tile makes of a value of 0 to 255: (batch, rows of tiles, columns of tiles, channels,
  // 256).
  Value tables(Value bins, const Tiles& rows, const Tiles& columns) const {
    graph::Graph& graph = *bins.graph;
    const std::int64_t batch = bins.shape()[0], channels = bins.shape()[3];
    const Value as_it_is = ops::constant(graph, {1, 8}, {1, 0, 0, 0, 1, 0, 0, 0});
    ops::WarpAttributes attributes;
    attributes.height = rows.count * rows.size;
    attributes.width = columns.count * columns.size;
    attributes.is_linear = false;
    attributes.fill = WarpFill::reflect;
    const Value whole = ops::warp(bins, ops::broadcast_to(as_it_is, {batch, 8}), attributes);
    const Value tiled = ops::transpose(
        ops::reshape(whole, {batch, rows.count, rows.size, columns.count, columns.size, channels}),
        {0, 1, 3, 5, 2, 4});
    const std::int64_t pixels = rows.size * columns.size;
    const Value numbers = ops::reshape(tiled, {batch, rows.count, columns.count, channels, pixels});

    const auto all = static_cast<float>(pixels);
    const double limit = arguments_.options.clip_limit * static_cast<double>(pixels) / kBins;
    const Value counts = limit > 0.0 ? clipped(numbers, static_cast<float>(limit))
                                     : layers::cumulated_histogram(numbers, kBins);
    const Value least = ops::reduce(ops::ReduceKind::min, counts, {4}, true);
    return ops::map(counts, least, [=](Expr count, Expr first) {
      const Expr rest = all - first;
      const Expr one{rest.expression, rest.expression->constant(1.0f)};
      const Expr byte = (count - first) * 255.0f / select(equal(rest, 0.0f), one, rest);
      return min(max(byte, 0.0f), 255.0f);
    });
  }

  // Spreads what bins have above the limit evenly over all of them.
  static Value clipped(Value numbers, float limit) {
    const Value counts = layers::histogram(numbers, kBins);
    const Value excess = ops::reduce(
        ops::ReduceKind::sum, counts, [=](Expr count) { return max(count - limit, 0.0f); }, {4},
        true, 1.0f / kBins);
    return layers::running_totals(
        ops::map(counts, excess, [=](Expr count, Expr more) { return min(count, limit) + more; }));
  }

  static Value interpolated(Value tables, Value bins, const Tiles& rows, const Tiles& columns) {
    graph::Graph& graph = *bins.graph;
    const Shape shape = bins.shape();
    const std::int64_t pixels = shape[1] * shape[2] * shape[3];
    const std::int64_t of_tile = shape[3] * kBins;
    const Value flat = ops::reshape(tables, {shape[0], rows.count * columns.count * of_tile, 1});
    const Value of_channel = layers::counting(graph, 4, 3, shape[3], static_cast<double>(kBins));
    std::vector<Value> corners;
    for (const auto& of_rows : rows.nearest) {
      for (const auto& of_columns : columns.nearest) {
        const Value row = ops::constant(graph, {1, shape[1], 1, 1}, of_rows);
        const Value column = ops::constant(graph, {1, 1, shape[2], 1}, of_columns);
        const Value tile = ops::map(row, column, of_channel, [&](Expr i, Expr j, Expr channel) {
          const Expr number = i * static_cast<float>(columns.count) + j;
          return number * static_cast<float>(of_tile) + channel;
        });
        const Value number = ops::reshape(ops::add(bins, tile), {shape[0], pixels});
        corners.push_back(ops::reshape(layers::picked(flat, number), shape));
      }
    }
    const Value share_x = ops::constant(graph, {1, 1, shape[2], 1}, columns.shares);
    const Value share_y = ops::constant(graph, {1, shape[1], 1, 1}, rows.shares);
    const auto between = [](Value from, Value to, Value share) {
      return ops::map(from, to, share,
                      [](Expr a, Expr b, Expr of_b) { return a * (1.0f - of_b) + b * of_b; });
    };
    return between(between(corners[0], corners[1], share_x),
                   between(corners[2], corners[3], share_x), share_y);
  }
};

}  // namespace

Layer ContrastLimitedAdaptiveHistogramEqualization(ContrastLimitedOptions options) {
  return layers::make_layer<ClaheLayer>(ClaheArguments{std::move(options)});
}
Layer layers::make_ContrastLimitedAdaptiveHistogramEqualization(Fields& fields) {
  return make_layer<ClaheLayer>(fields.all<ClaheArguments>());
}

}  // namespace stoker

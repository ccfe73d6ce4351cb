// CategoryEncoding and Discretization: numbers of categories, and categories of numbers.
#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "core/check.h"
#include "layers/fields.h"
#include "layers/preprocessing/categories.h"
#include "layers/registry.h"
#include "ops/common.h"
#include "stoker/error.h"

namespace stoker {

using graph::Expr;

graph::Value layers::encoded(graph::Value numbers, const std::string& mode, std::int64_t depth) {
  Shape shape = numbers.shape();
  if (mode == "one_hot") {
    if (shape.rank() > 1 && shape.back() == 1) {
      numbers = ops::reshape(numbers, Shape(shape.extents().first(shape.rank() - 1)));
    }
    return ops::one_hot(numbers, depth);
  }
  ops::require(shape.rank() >= 2, *numbers.graph,
               "expected input of rank 2 or more for output_mode ", mode, ", received ", shape);
  const auto kind = mode == "count" ? ops::ReduceKind::sum : ops::ReduceKind::max;
  return ops::reduce(kind, ops::one_hot(numbers, depth), {-2});
}

graph::Value layers::as_whole(graph::Value x) {
  if (x.dtype() == DType::int32) return x;
  graph::Expression expression;
  expression.add_output(floor(Expr{&expression, expression.input(0)}).id);
  return ops::pointwise(*x.graph, {DType::int32, x.shape()}, {x}, expression)[0];
}

void layers::require_mode(const LayerBase& layer, const std::string& mode, bool allow_int) {
  if (mode == "one_hot" || mode == "multi_hot" || mode == "count") return;
  if (allow_int && mode == "int") return;
  throw ValueError(format(layer.label(), ": expected an output_mode of ", allow_int ? "int, " : "",
                          "one_hot, multi_hot or count, received \"", mode, "\""));
}

namespace {

using graph::Value;

// ---- CategoryEncoding --------------------------------------------------------------------------
struct EncodingArguments {
  std::int64_t num_tokens = 0;
  CategoryEncodingOptions options{};
};
void describe(Fields& fields, EncodingArguments& encoding) {
  layers::describe_common(fields, encoding.options);
  fields.required("num_tokens", encoding.num_tokens);
  fields("output_mode", encoding.options.output_mode);
  fields.never({"sparse"});
}

class EncodingLayer final : public layers::DescribedLayer<EncodingArguments> {
 public:
  explicit EncodingLayer(EncodingArguments arguments)
      : DescribedLayer("CategoryEncoding", std::move(arguments)) {
    layers::require_positive(*this, "num_tokens", arguments_.num_tokens);
    layers::require_mode(*this, arguments_.options.output_mode, false);
    casts_inputs = false;  // bfloat16 cannot hold every number above 256.
  }

  Value apply(layers::BuildContext& context, Value x) override {
    return context.to_compute(layers::encoded(layers::as_whole(x), arguments_.options.output_mode,
                                              arguments_.num_tokens));
  }
};

// ---- Discretization ----------------------------------------------------------------------------
struct DiscretizationArguments {
  std::vector<double> bin_boundaries{};
  DiscretizationOptions options{};
};
void describe(Fields& fields, DiscretizationArguments& discretization) {
  layers::describe_common(fields, discretization.options);
  fields("bin_boundaries", discretization.bin_boundaries);
  fields("output_mode", discretization.options.output_mode);
  fields.never({"num_bins", "sparse"});
  fields.ignored({"epsilon"});  // This only matters to adapt().
}

class DiscretizationLayer final : public layers::DescribedLayer<DiscretizationArguments> {
 public:
  explicit DiscretizationLayer(DiscretizationArguments arguments)
      : DescribedLayer("Discretization", std::move(arguments)) {
    const std::vector<double>& boundaries = arguments_.bin_boundaries;
    layers::require_mode(*this, arguments_.options.output_mode, true);
    const auto fits = [](double a, double b) { return a < b; };
    const bool is_finite =
        std::ranges::all_of(boundaries, [](double b) { return std::isfinite(b); });
    const bool ascends =
        std::ranges::adjacent_find(boundaries, std::not_fn(fits)) == boundaries.end();
    if (boundaries.empty() || !is_finite || !ascends) {
      std::string received;
      for (const double boundary : boundaries) received += format(" ", boundary);
      throw ValueError(format(label(), ": expected bin_boundaries in ascending order, received",
                              boundaries.empty() ? " none" : received));
    }
    casts_inputs = false;
  }

  Value apply(layers::BuildContext& context, Value x) override {
    const std::vector<double>& boundaries = arguments_.bin_boundaries;
    const auto count = static_cast<std::int64_t>(boundaries.size());
    const std::vector<float> numbers(boundaries.begin(), boundaries.end());
    Shape column = x.shape();
    column.push_back(1);
    // The bin's number is that of the boundaries that are not above the element.
    const Value bins = ops::reduce(
        ops::ReduceKind::sum, ops::reshape(ops::to_float(x), column),
        ops::constant(*x.graph, {count}, numbers),
        [](Expr element, Expr boundary) { return less_equal(boundary, element); }, {-1});
    const Value whole = layers::as_whole(bins);
    const std::string& mode = arguments_.options.output_mode;
    return mode == "int" ? whole : context.to_compute(layers::encoded(whole, mode, count + 1));
  }
};

}  // namespace

Layer CategoryEncoding(std::int64_t num_tokens, CategoryEncodingOptions options) {
  return Layer(std::make_shared<EncodingLayer>(EncodingArguments{num_tokens, std::move(options)}));
}
Layer Discretization(std::vector<double> bin_boundaries, DiscretizationOptions options) {
  return Layer(std::make_shared<DiscretizationLayer>(
      DiscretizationArguments{std::move(bin_boundaries), std::move(options)}));
}

Layer layers::make_CategoryEncoding(Fields& fields) {
  return Layer(std::make_shared<EncodingLayer>(fields.all<EncodingArguments>()));
}
Layer layers::make_Discretization(Fields& fields) {
  return Layer(std::make_shared<DiscretizationLayer>(fields.all<DiscretizationArguments>()));
}

}  // namespace stoker

// Dot: products of the vectors along an axis of each of two inputs, sample by sample.
#include "layers/fields.h"
#include "layers/normalization/standardize.h"
#include "layers/registry.h"
#include "ops/common.h"
#include "stoker/error.h"

namespace stoker {
namespace {

using graph::Expr;
using graph::Value;

struct DotArguments {
  Axes axes = -1;
  DotOptions options{};
};

void describe(Fields& fields, DotArguments& dot) {
  layers::describe_common(fields, dot.options);
  fields.required("axes", dot.axes);
  fields("normalize", dot.options.normalize);
}

// The axis counted from the front. It is none that a sample does not have.
std::int64_t axis_of(Value x, std::int64_t axis) {
  const auto rank = static_cast<std::int64_t>(x.shape().rank());
  const std::int64_t from_front = axis < 0 ? axis + rank : axis;
  ops::require(from_front >= 1 && from_front < rank, *x.graph, "axis ", axis, " is none of input ",
               x.shape(), " after the batch");
  return from_front;
}

// x as one matrix (rows, vectors along the axis) for each sample.
struct Rows {
  Value matrix;
  Shape others;  // the extents of the other axes, without the batch
};

Rows rows_of(Value x, std::int64_t axis) {
  const Shape shape = x.shape();
  std::vector<std::int64_t> order;
  Rows rows;
  for (std::int64_t i = 0; i < static_cast<std::int64_t>(shape.rank()); ++i) {
    if (i == axis) continue;
    order.push_back(i);
    if (i > 0) rows.others.push_back(shape[static_cast<std::size_t>(i)]);
  }
  order.push_back(axis);
  rows.matrix = ops::reshape(ops::transpose(x, order), {shape[0], rows.others.elements(),
                                                        shape[static_cast<std::size_t>(axis)]});
  return rows;
}

// (batch, m, n) and (batch, k, n) to (batch, m, k). Sums of single vectors are no product of
// matrices.
Value product(Value a, Value b) {
  if (a.shape()[1] != 1 || b.shape()[1] != 1) return ops::matmul(a, b, false, true);
  return ops::cast(
      ops::reduce(
          ops::ReduceKind::sum, a, b, [](Expr x, Expr y) { return x * y; }, {-1}, true),
      a.dtype());
}

class DotLayer final : public layers::DescribedLayer<DotArguments, layers::MergeLayer> {
 public:
  explicit DotLayer(DotArguments arguments) : DescribedLayer("Dot", std::move(arguments)) {
    const std::vector<std::int64_t>& axes = arguments_.axes.numbers();
    if (axes.empty() || axes.size() > 2) {
      throw ValueError(format(label(), ": expected one axis for both inputs, or one for each, ",
                              "received ", axes.size(), " axes"));
    }
  }

  Value merge(layers::BuildContext& context, std::span<const Value> given) override {
    if (given.size() != 2) {
      throw ShapeError(format(label(), ": expected a list of two inputs, received ", given.size(),
                              ". Call it with {a, b}"));
    }
    Value a = context.to_compute(given[0]), b = context.to_compute(given[1]);
    const std::int64_t axis_a = axis_of(a, arguments_.axes.numbers().front());
    const std::int64_t axis_b = axis_of(b, arguments_.axes.numbers().back());
    const std::int64_t length = a.shape()[static_cast<std::size_t>(axis_a)];
    ops::require(
        a.shape()[0] == b.shape()[0] && b.shape()[static_cast<std::size_t>(axis_b)] == length,
        *a.graph, "expected equal extents along axis ", axis_a, " of ", a.shape(), " and axis ",
        axis_b, " of ", b.shape());
    if (arguments_.options.normalize) {
      constexpr double kLeastNorm = 1e-7;  // Keras's
      a = layers::unit_vectors(a, {axis_a}, kLeastNorm);
      b = layers::unit_vectors(b, {axis_b}, kLeastNorm);
    }
    const Rows left = rows_of(a, axis_a), right = rows_of(b, axis_b);
    Shape shape{a.shape()[0]};
    for (const std::int64_t extent : left.others) shape.push_back(extent);
    for (const std::int64_t extent : right.others) shape.push_back(extent);
    if (shape.rank() == 1) shape.push_back(1);
    return ops::reshape(product(left.matrix, right.matrix), shape);
  }

  // As in Keras, the output has no mask.
  Value merge_masks(std::span<const Value>, std::span<const Value>) override { return {}; }
};

}  // namespace

Layer Dot(Axes axes, DotOptions options) {
  return Layer(std::make_shared<DotLayer>(DotArguments{std::move(axes), std::move(options)}));
}

Layer layers::make_Dot(Fields& fields) {
  return Layer(std::make_shared<DotLayer>(fields.all<DotArguments>()));
}

}  // namespace stoker

// Softmax along any axes. Those axes are moved to the end and become one, along which the op works.
#include <algorithm>
#include <cstdint>
#include <vector>

#include "layers/axes.h"
#include "layers/fields.h"
#include "layers/registry.h"
#include "ops/common.h"
#include "stoker/error.h"

namespace stoker {
namespace {

using graph::Expr;
using graph::Value;

struct SoftmaxArguments {
  SoftmaxOptions options{};
};

void describe(Fields& fields, SoftmaxArguments& arguments) {
  layers::describe_common(fields, arguments.options);
  fields("axis", arguments.options.axis);
}

Value along(Value x, const std::vector<std::int64_t>& axes) {
  const Shape shape = x.shape();
  const auto rank = static_cast<std::int64_t>(shape.rank());
  if (axes.size() == 1 && axes[0] == rank - 1) return ops::softmax(x);
  std::vector<std::int64_t> order;
  for (std::int64_t axis = 0; axis < rank; ++axis) {
    if (std::find(axes.begin(), axes.end(), axis) == axes.end()) order.push_back(axis);
  }
  Shape rows;
  for (const std::int64_t axis : order) rows.push_back(shape[static_cast<std::size_t>(axis)]);
  std::int64_t columns = 1;
  for (const std::int64_t axis : axes) {
    order.push_back(axis);
    columns *= shape[static_cast<std::size_t>(axis)];
  }
  rows.push_back(columns);
  const Value moved = ops::transpose(x, order);
  const Value y = ops::reshape(ops::softmax(ops::reshape(moved, rows)), moved.shape());
  std::vector<std::int64_t> back(order.size());
  for (std::size_t i = 0; i < order.size(); ++i) {
    back[static_cast<std::size_t>(order[i])] = static_cast<std::int64_t>(i);
  }
  return ops::transpose(y, back);
}

// x where the mask is 1, and `other` elsewhere.
Value where(Value mask, Value x, float other) {
  return ops::cast(
      ops::map(
          x, mask,
          [other](Expr value, Expr m) {
            return select(less(0.5f, m), value, Expr{m.expression, m.expression->constant(other)});
          }),
      x.dtype());
}

class SoftmaxLayer final : public layers::DescribedLayer<SoftmaxArguments, layers::LayerBase> {
 public:
  explicit SoftmaxLayer(SoftmaxArguments arguments)
      : DescribedLayer("Softmax", std::move(arguments)) {
    supports_masking = true;
  }

  std::vector<layers::MaskedValue> build(layers::BuildContext& context,
                                         std::span<const layers::MaskedValue> inputs) override {
    if (inputs.size() != 1) {
      throw ShapeError(format(label(), ": expected one input, received ", inputs.size()));
    }
    const Value x = context.to_compute(inputs[0].value);
    const auto axes = layers::axes_after_batch(arguments_.options.axis, x);
    const Value mask = inputs[0].mask;
    if (!mask) return {{along(x, axes)}};
    require_mask_of(x, mask);
    // Keras's numbers, of which the smaller one is beyond float16.
    const float masked = x.dtype() == DType::float16 ? -3e4f : -1e9f;
    const Value y = along(where(ops::to_float(mask), x, masked), axes);
    return {{where(ops::to_float(mask), y, 0.0f), mask}};
  }

 private:
  // Keras lines masks up with the last axes, so that a mask of steps would lie on the features.
  static void require_mask_of(Value x, Value mask) {
    bool fits = mask.shape().rank() == x.shape().rank();
    for (std::size_t axis = 0; fits && axis < x.shape().rank(); ++axis) {
      fits = mask.shape()[axis] == 1 || mask.shape()[axis] == x.shape()[axis];
    }
    ops::require(fits, *x.graph, "expected a mask with an extent for each of input ", x.shape(),
                 ", 1 or the input's, received one of ", mask.shape());
  }
};

}  // namespace

Layer Softmax(SoftmaxOptions options) {
  return Layer(std::make_shared<SoftmaxLayer>(SoftmaxArguments{std::move(options)}));
}

Layer layers::make_Softmax(Fields& fields) {
  return Layer(std::make_shared<SoftmaxLayer>(fields.all<SoftmaxArguments>()));
}

}  // namespace stoker

// Layers with several inputs: element-by-element arithmetic, and Concatenate.
#include <algorithm>
#include <array>
#include <cstdint>

#include "layers/fields.h"
#include "layers/registry.h"
#include "ops/common.h"
#include "stoker/error.h"

namespace stoker {
namespace {

using graph::Expr;

void require_several(const layers::LayerBase& layer, std::span<const graph::Value> inputs) {
  if (inputs.size() >= 2) return;
  throw ShapeError(format(layer.label(), ": expected a list of two or more inputs, received ",
                          inputs.size(), ". Call it with {a, b}"));
}

// Inserts extents of 1 behind the batch until the value has this rank. This is Keras's rule; NumPy
// would put them before the batch.
graph::Value with_rank(graph::Value x, std::size_t rank) {
  const Shape& shape = x.shape();
  if (shape.rank() == rank) return x;
  Shape wider{shape[0]};
  while (wider.rank() + shape.rank() < rank + 1) wider.push_back(1);
  for (std::size_t axis = 1; axis < shape.rank(); ++axis) wider.push_back(shape[axis]);
  return ops::reshape(x, wider);
}

// The arguments of layers that only have a class and a name.
struct MergeArguments {
  NameOptions options{};
};

void describe(Fields& fields, MergeArguments& merge) {
  layers::describe_common(fields, merge.options);
}

// A mask with an extent for the features of a step of `x`.
graph::Value per_feature(graph::Value mask, graph::Value x) {
  Shape shape = mask.shape();
  if (shape.rank() < x.shape().rank()) shape.push_back(1);
  return ops::reshape(mask, shape);
}

// `x` where the mask is 1, and `other` elsewhere.
graph::Value where(graph::Value mask, graph::Value x, graph::Value other) {
  return ops::map(ops::to_float(x), per_feature(mask, x), ops::to_float(other),
                  [](Expr value, Expr m, Expr o) { return select(equal(m, 0.0f), o, value); });
}
graph::Value where(graph::Value mask, graph::Value x, float other) {
  return ops::map(ops::to_float(x), per_feature(mask, x), [other](Expr value, Expr m) {
    return select(equal(m, 0.0f), Expr{m.expression, m.expression->constant(other)}, value);
  });
}

// What an operation takes instead of a masked step, as in Keras.
enum class AtMasked : std::uint8_t {
  the_step,      // itself
  other_inputs,  // that of the other inputs
  one,           // and the result is 0 where all inputs are masked
};

struct Arithmetic {
  Expr (*combine)(Expr, Expr);
  bool of_two = false;
  bool averages = false;
  AtMasked at_masked = AtMasked::the_step;
};

// The layer is one pointwise node, however many inputs it has.
class ArithmeticLayer final : public layers::DescribedLayer<MergeArguments, layers::MergeLayer> {
 public:
  ArithmeticLayer(const char* class_name, const Arithmetic& arithmetic, MergeArguments arguments)
      : DescribedLayer(class_name, std::move(arguments)), arithmetic_(arithmetic) {}

  graph::Value merge(layers::BuildContext& context, std::span<const graph::Value> given) override {
    require_several(*this, given);
    if (arithmetic_.of_two && given.size() != 2) {
      throw ShapeError(format(label(), ": expected two inputs, received ", given.size()));
    }
    std::size_t rank = 0;
    for (const graph::Value& value : given) rank = std::max(rank, value.shape().rank());
    std::vector<graph::Value> inputs;
    graph::Expression expression;
    Expr result;
    for (const graph::Value& value : given) {
      const Expr next{&expression, expression.input(static_cast<int>(inputs.size()))};
      result = inputs.empty() ? next : arithmetic_.combine(result, next);
      inputs.push_back(with_rank(value, rank));
    }
    if (arithmetic_.averages) result = result / static_cast<float>(given.size());
    expression.add_output(result.id);
    return context.to_compute(ops::pointwise(std::move(inputs), std::move(expression))[0]);
  }

  graph::Value merge_masked(layers::BuildContext& context, std::span<const graph::Value> given,
                            std::span<const graph::Value> masks) override {
    switch (arithmetic_.at_masked) {
      case AtMasked::other_inputs:
        return merge_where_unmasked(context, given, masks);
      case AtMasked::one:
        return merge_with_ones(context, given, masks);
      case AtMasked::the_step:
        break;
    }
    return merge(context, given);
  }

 private:
  graph::Value merge_where_unmasked(layers::BuildContext& context,
                                    std::span<const graph::Value> given,
                                    std::span<const graph::Value> masks) {
    require_several(*this, given);
    graph::Value y = given[0];
    for (std::size_t i = 1; i < given.size(); ++i) {
      const graph::Value x = masks[i] ? where(masks[i], given[i], y) : given[i];
      if (const graph::Value mask = merge_masks(given.first(i), masks.first(i))) {
        y = where(mask, y, x);
      }
      y = merge(context, std::array{y, x});
    }
    return y;
  }

  graph::Value merge_with_ones(layers::BuildContext& context, std::span<const graph::Value> given,
                               std::span<const graph::Value> masks) {
    std::vector<graph::Value> inputs(given.begin(), given.end());
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (masks[i]) inputs[i] = where(masks[i], inputs[i], 1.0f);
    }
    const graph::Value y = merge(context, inputs);
    const graph::Value mask = merge_masks(given, masks);
    return mask ? context.to_compute(where(mask, y, 0.0f)) : y;
  }

  const Arithmetic arithmetic_;
};

struct ConcatenateArguments {
  std::int64_t axis = -1;
  NameOptions options{};
};

void describe(Fields& fields, ConcatenateArguments& concatenate) {
  layers::describe_common(fields, concatenate.options);
  fields("axis", concatenate.axis);
}

class ConcatenateLayer final
    : public layers::DescribedLayer<ConcatenateArguments, layers::MergeLayer> {
 public:
  explicit ConcatenateLayer(ConcatenateArguments arguments)
      : DescribedLayer("Concatenate", std::move(arguments)) {}

  graph::Value merge(layers::BuildContext& context, std::span<const graph::Value> given) override {
    require_several(*this, given);
    const Shape& first = given[0].shape();
    const std::int64_t axis = ops::axis_from_front(axis_, first, *given[0].graph);
    ops::require(axis != 0, *given[0].graph, "axis ", axis_, " of ", first,
                 " is the batch, which layers leave as it is");
    std::vector<graph::Value> inputs(given.begin(), given.end());
    const bool is_of_one_type = std::all_of(given.begin(), given.end(), [&](graph::Value value) {
      return value.dtype() == given[0].dtype();
    });
    if (!is_of_one_type) {
      for (graph::Value& input : inputs) input = context.to_compute(input);
    }
    return ops::concatenate(std::move(inputs), axis_);
  }

  // As in Keras, each mask is broadcast over its input, an input without a mask counts as all ones,
  // and a step counts where any of its features does.
  graph::Value merge_masks(std::span<const graph::Value> given,
                           std::span<const graph::Value> masks) override {
    std::vector<graph::Value> spread;
    for (std::size_t i = 0; i < given.size(); ++i) {
      const graph::Value x = ops::to_float(given[i]);
      if (!masks[i]) {
        spread.push_back(ops::map(x, [](Expr e) {
          return Expr{e.expression, e.expression->constant(1.0f)};
        }));
        continue;
      }
      spread.push_back(ops::map(x, per_feature(masks[i], x), [](Expr, Expr mask) { return mask; }));
    }
    return ops::reduce(ops::ReduceKind::max, ops::concatenate(std::move(spread), axis_), {-1});
  }

 private:
  const std::int64_t axis_ = arguments_.axis;
};

struct ArithmeticClass {
  const char* name;
  Arithmetic arithmetic;
};
const ArithmeticClass kAdd{"Add", {.combine = [](Expr a, Expr b) { return a + b; }}};
const ArithmeticClass kSubtract{"Subtract",
                                {.combine = [](Expr a, Expr b) { return a - b; }, .of_two = true}};
const ArithmeticClass kMultiply{
    "Multiply", {.combine = [](Expr a, Expr b) { return a * b; }, .at_masked = AtMasked::one}};
const ArithmeticClass kAverage{"Average",
                               {.combine = [](Expr a, Expr b) { return a + b; }, .averages = true}};
const ArithmeticClass kMaximum{
    "Maximum",
    {.combine = [](Expr a, Expr b) { return max(a, b); }, .at_masked = AtMasked::other_inputs}};
const ArithmeticClass kMinimum{
    "Minimum",
    {.combine = [](Expr a, Expr b) { return min(a, b); }, .at_masked = AtMasked::other_inputs}};

Layer make(const ArithmeticClass& one, MergeArguments arguments) {
  return Layer(std::make_shared<ArithmeticLayer>(one.name, one.arithmetic, std::move(arguments)));
}
Layer make(const ArithmeticClass& one, Fields& fields) {
  return make(one, fields.all<MergeArguments>());
}

}  // namespace

Layer Add(NameOptions options) { return make(kAdd, {std::move(options)}); }
Layer Subtract(NameOptions options) { return make(kSubtract, {std::move(options)}); }
Layer Multiply(NameOptions options) { return make(kMultiply, {std::move(options)}); }
Layer Average(NameOptions options) { return make(kAverage, {std::move(options)}); }
Layer Maximum(NameOptions options) { return make(kMaximum, {std::move(options)}); }
Layer Minimum(NameOptions options) { return make(kMinimum, {std::move(options)}); }
Layer Concatenate(std::int64_t axis, NameOptions options) {
  return Layer(std::make_shared<ConcatenateLayer>(ConcatenateArguments{axis, std::move(options)}));
}

Layer layers::make_Add(Fields& fields) { return make(kAdd, fields); }
Layer layers::make_Subtract(Fields& fields) { return make(kSubtract, fields); }
Layer layers::make_Multiply(Fields& fields) { return make(kMultiply, fields); }
Layer layers::make_Average(Fields& fields) { return make(kAverage, fields); }
Layer layers::make_Maximum(Fields& fields) { return make(kMaximum, fields); }
Layer layers::make_Minimum(Fields& fields) { return make(kMinimum, fields); }
Layer layers::make_Concatenate(Fields& fields) {
  return Layer(std::make_shared<ConcatenateLayer>(fields.all<ConcatenateArguments>()));
}

}  // namespace stoker

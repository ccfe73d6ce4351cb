// MixUp and CutMix: layers that mix images of a batch with each other, and their labels alike.
#include <utility>

#include "core/check.h"
#include "layers/preprocessing/batch_draws.h"
#include "layers/preprocessing/color_layers.h"
#include "layers/registry.h"
#include "ops/common.h"

namespace stoker {
namespace {

using graph::Expr;
using graph::Expression;
using graph::Value;
using layers::MaskedValue;

// What becomes of images, and the share (batch, 1, 1, 1) of an image's own labels in the result.
struct Mixed {
  Value images, share, order;
};

template <class Arguments>
class MixingLayer : public layers::DescribedLayer<Arguments, layers::LayerBase> {
 public:
  using layers::DescribedLayer<Arguments, layers::LayerBase>::DescribedLayer;

  std::vector<std::string_view> input_names() const override { return {"images", "labels"}; }

  std::vector<MaskedValue> build(layers::BuildContext& context,
                                 std::span<const MaskedValue> inputs) final {
    layers::refuse_masks(*this, inputs);
    graph::Graph& graph = context.graph();
    ops::require(inputs.size() == 1 || inputs.size() == 2, graph,
                 "expected images, or images and labels, received ", inputs.size(), " inputs");
    layers::require_rank(inputs[0].value, 4, layers::layout_advice(2));
    const Value images = context.to_compute(inputs[0].value);
    std::vector<MaskedValue> outputs{{images}};
    if (inputs.size() == 2) {
      const Value labels = inputs[1].value;
      ops::require(labels.shape().rank() >= 1 && labels.shape()[0] == images.shape()[0], graph,
                   "expected a label for each of the images ", images.shape(), ", received ",
                   labels.shape());
      if (!is_floating(labels.dtype())) {
        throw DTypeError(format(this->label(), ": expected labels of floats, received ",
                                labels.dtype(),
                                ". Numbers of classes can't be mixed: make rows of them, by "
                                "CategoryEncoding with output_mode \"one_hot\", say"));
      }
      outputs.push_back({labels});
    }
    if (!context.training()) return outputs;
    layers::ImageDraws draws(context, this->arguments_.options.seed);
    const Mixed mixed = mix(ops::to_float(images), draws);
    outputs[0].value = ops::cast(mixed.images, images.dtype());
    if (inputs.size() == 2) outputs[1].value = labels_of(inputs[1].value, mixed);
    return outputs;
  }

 protected:
  virtual Mixed mix(Value images, layers::ImageDraws& draws) const = 0;

  static Value weighed(Value own, Value other, Value share) {
    return ops::map(own, other, share, [](Expr mine, Expr yours, Expr weight) {
      return weight * mine + (1.0f - weight) * yours;
    });
  }

 private:
  static Value labels_of(Value labels, const Mixed& mixed) {
    Shape shape(std::vector<std::int64_t>(labels.shape().rank(), 1));
    shape[0] = labels.shape()[0];
    const Value others = layers::in_order(labels, mixed.order);
    return ops::cast(weighed(labels, others, ops::reshape(mixed.share, shape)), labels.dtype());
  }
};

// ---- MixUp -------------------------------------------------------------------------------------
struct MixUpArguments {
  MixUpOptions options{};
};
void describe(Fields& fields, MixUpArguments& arguments) {
  layers::describe_layout(fields, arguments.options);
  fields("alpha", arguments.options.alpha);
  fields("seed", arguments.options.seed);
}

class MixUpLayer final : public MixingLayer<MixUpArguments> {
 public:
  explicit MixUpLayer(MixUpArguments arguments) : MixingLayer("MixUp", std::move(arguments)) {
    check::require(label(), "an alpha", arguments_.options.alpha, check::above(0));
  }

 protected:
  Mixed mix(Value images, layers::ImageDraws& draws) const override {
    const Value order = layers::random_order(draws, 0, images);
    const Value share = layers::of_each_image(images, [&](Expression& expression) {
      const Expr alpha{&expression,
                       expression.constant(static_cast<float>(arguments_.options.alpha))};
      return layers::beta(draws, expression, 2, alpha);
    });
    return {weighed(images, layers::in_order(images, order), share), share, order};
  }
};

// ---- CutMix ------------------------------------------------------------------------------------
struct CutMixArguments {
  CutMixOptions options{};
};
void describe(Fields& fields, CutMixArguments& arguments) {
  PositiveFactor factor = layers::positive(arguments.options.factor);
  layers::describe_layout(fields, arguments.options);
  fields("factor", factor);
  fields("seed", arguments.options.seed);
  arguments.options.factor = factor.range;
}

class CutMixLayer final : public MixingLayer<CutMixArguments> {
 public:
  explicit CutMixLayer(CutMixArguments arguments) : MixingLayer("CutMix", std::move(arguments)) {
    layers::require_factor(*this, "a factor", arguments_.options.factor, 0, 1);
  }

 protected:
  Mixed mix(Value images, layers::ImageDraws& draws) const override {
    const Value order = layers::random_order(draws, 0, images);
    Expression of_batch;
    of_batch.add_output((draws.between(of_batch, 2, arguments_.options.factor) + 1e-6f).id);
    const Value alpha = ops::pointwise(*images.graph, Shape{1, 1, 1, 1}, {}, of_batch)[0];
    Expression of_image;
    const Expr drawn = layers::beta(draws, of_image, 5, {&of_image, of_image.input(0)});
    of_image.add_output(sqrt(1.0f - drawn).id);
    const Value side =
        ops::pointwise(*images.graph, Shape{images.shape()[0], 1, 1, 1}, {alpha}, of_image)[0];
    const layers::Rectangles rectangles = layers::random_rectangles(draws, 3, images, side, side);
    const Value mixed =
        ops::map(images, layers::in_order(images, order), rectangles.inside,
                 [](Expr own, Expr other, Expr is) { return select(is, other, own); });
    return {mixed, ops::map(rectangles.share, [](Expr share) { return 1.0f - share; }), order};
  }
};

}  // namespace

Layer MixUp(MixUpOptions options) {
  return layers::make_layer<MixUpLayer>(MixUpArguments{std::move(options)});
}
Layer CutMix(CutMixOptions options) {
  options.factor = layers::positive(options.factor).range;
  return layers::make_layer<CutMixLayer>(CutMixArguments{std::move(options)});
}
Layer layers::make_MixUp(Fields& fields) {
  return make_layer<MixUpLayer>(fields.all<MixUpArguments>());
}
Layer layers::make_CutMix(Fields& fields) {
  return make_layer<CutMixLayer>(fields.all<CutMixArguments>());
}

}  // namespace stoker

// RandAugment and AugMix: layers drawn from a list.
#include "layers/preprocessing/parts.h"

#include <algorithm>
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

// The layers that both draw from, in Keras's order of RandAugment, all of one strength.
template <class Options>
std::vector<Layer> parts_of(const Options& options, bool all, std::uint64_t first_seed) {
  std::uint64_t number = first_seed;
  const auto seed = [&] { return layers::seed_of(options.seed, number++); };
  const auto moving = [&] {
    return RandomTransformOptions{
        .interpolation = options.interpolation, .seed = seed(), .dtype = options.dtype};
  };
  const auto coloring = [&] {
    return RandomColorOptions{
        .value_range = options.value_range, .seed = seed(), .dtype = options.dtype};
  };
  const Factor& factor = options.factor;
  const int bits = std::max(1, static_cast<int>(8.0 * factor.upper));
  std::vector<Layer> parts{RandomShear(factor, factor, moving()),
                           RandomTranslation(factor, factor, moving()),
                           RandomRotation(factor, moving())};
  if (all) {
    parts.push_back(RandomBrightness(factor, coloring()));
    parts.push_back(RandomColorDegeneration(factor, coloring()));
    parts.push_back(RandomContrast(factor, coloring()));
    parts.push_back(RandomSharpness(factor, coloring()));
  }
  parts.push_back(RandomPosterization(bits, coloring()));
  parts.push_back(Solarization({.addition_factor = factor,
                                .threshold_factor = factor,
                                .value_range = options.value_range,
                                .seed = seed(),
                                .dtype = options.dtype}));
  parts.push_back(AutoContrast({.value_range = options.value_range, .dtype = options.dtype}));
  parts.push_back(Equalization({.value_range = options.value_range, .dtype = options.dtype}));
  return parts;
}

// A number of the whole batch, (1, 1, 1, 1).
Value of_batch(graph::Graph& graph, const std::function<Expr(Expression&)>& draw) {
  Expression expression;
  expression.add_output(draw(expression).id);
  return ops::pointwise(graph, Shape{1, 1, 1, 1}, {}, expression)[0];
}

// What one of the layers makes of x, or x where the drawn number is none of theirs. Each layer is
// called as number `first` and up.
Value one_of(layers::BuildContext& context, const std::vector<Layer>& parts, Value x, Value drawn,
             std::uint32_t first) {
  Value y = x;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const auto number = static_cast<std::uint32_t>(i);
    const Value changed = layers::result_of(context, parts[i], x, first + number);
    y = ops::map(y, changed, drawn, [=](Expr as_it_is, Expr other, Expr which) {
      return select(equal(which, static_cast<float>(number)), other, as_it_is);
    });
  }
  return ops::cast(y, x.dtype());
}

// Draws one of `count` numbers.
Value one_number(graph::Graph& graph, layers::ImageDraws& draws, std::uint32_t index,
                 std::size_t count) {
  return of_batch(graph, [&](Expression& expression) {
    return floor(draws.between(expression, index, 0.0, static_cast<double>(count)));
  });
}

template <class Arguments>
class SeveralLayer : public layers::DescribedLayer<Arguments> {
 public:
  using layers::DescribedLayer<Arguments>::DescribedLayer;

  Value apply(layers::BuildContext& context, Value x) final {
    layers::require_rank(x, 4, layers::layout_advice(2));
    x = context.to_compute(x);
    if (!context.training()) return x;
    layers::ImageDraws draws(context, this->arguments_.options.seed);
    return ops::cast(change(context, x, draws), x.dtype());
  }

 protected:
  virtual Value change(layers::BuildContext& context, Value x, layers::ImageDraws& draws) const = 0;

  void require_options() const {
    const auto& options = this->arguments_.options;
    layers::require_range_of_values(*this, options.value_range);
    layers::require_factor(*this, "a factor", options.factor, 0, 1);
    if (options.interpolation != "bilinear" && options.interpolation != "nearest") {
      throw ValueError(format(this->label(), ": expected interpolation \"bilinear\" or ",
                              "\"nearest\", received \"", options.interpolation, "\""));
    }
  }
};

// ---- RandAugment -------------------------------------------------------------------------------
struct RandAugmentArguments {
  RandAugmentOptions options{};
};
void describe(Fields& fields, RandAugmentArguments& arguments) {
  RandAugmentOptions& options = arguments.options;
  layers::describe_layout(fields, options);
  PositiveFactor factor = layers::positive(options.factor);
  fields("value_range", options.value_range);
  fields("num_ops", options.num_ops);
  fields("factor", factor);
  fields("interpolation", options.interpolation);
  fields("seed", options.seed);
  options.factor = factor.range;
}

class RandAugmentLayer final : public SeveralLayer<RandAugmentArguments> {
 public:
  explicit RandAugmentLayer(RandAugmentArguments arguments)
      : SeveralLayer("RandAugment", std::move(arguments)) {
    require_options();
    layers::require_positive(*this, "num_ops", arguments_.options.num_ops);
    parts_ = parts_of(arguments_.options, true, 0);
  }

 protected:
  // As in Keras a layer that is drawn twice does the same both times.
  Value change(layers::BuildContext& context, Value x, layers::ImageDraws& draws) const override {
    for (std::int64_t i = 0; i < arguments_.options.num_ops; ++i) {
      const auto index = static_cast<std::uint32_t>(i);
      x = one_of(context, parts_, x, one_number(*x.graph, draws, index, parts_.size()), 0);
    }
    return x;
  }

 private:
  std::vector<Layer> parts_;
};

// ---- AugMix ------------------------------------------------------------------------------------
struct AugMixArguments {
  AugMixOptions options{};
};
void describe(Fields& fields, AugMixArguments& arguments) {
  AugMixOptions& options = arguments.options;
  layers::describe_layout(fields, options);
  PositiveFactor factor = layers::positive(options.factor);
  fields("value_range", options.value_range);
  fields("num_chains", options.num_chains);
  fields("chain_depth", options.chain_depth);
  fields("factor", factor);
  fields("alpha", options.alpha);
  fields("all_ops", options.all_ops);
  fields("interpolation", options.interpolation);
  fields("seed", options.seed);
  options.factor = factor.range;
}

class AugMixLayer final : public SeveralLayer<AugMixArguments> {
 public:
  explicit AugMixLayer(AugMixArguments arguments) : SeveralLayer("AugMix", std::move(arguments)) {
    const AugMixOptions& options = arguments_.options;
    require_options();
    check::require(label(), "num_chains", options.num_chains, check::closed(1, 1000));
    check::require(label(), "chain_depth", options.chain_depth, check::closed(1, 1000));
    check::require(label(), "an alpha", options.alpha, check::above(0));
    for (std::int64_t i = 0; i < options.num_chains * options.chain_depth; ++i) {
      links_.push_back(parts_of(options, options.all_ops, 16 * static_cast<std::uint64_t>(i)));
    }
  }

 protected:
  Value change(layers::BuildContext& context, Value x, layers::ImageDraws& draws) const override {
    const AugMixOptions& options = arguments_.options;
    graph::Graph& graph = *x.graph;
    std::uint32_t index = 0;
    const auto alpha = [&](Expression& expression) {
      return Expr{&expression, expression.constant(static_cast<float>(options.alpha))};
    };
    const Value own = of_batch(graph, [&](Expression& expression) {
      return layers::beta(draws, expression, index, alpha(expression));
    });
    index += 2 * layers::kGammaDraws;

    // Numbers from gamma distributions, divided by their sum, are from a Dirichlet distribution.
    std::vector<Value> logarithms;
    for (std::int64_t chain = 0; chain < options.num_chains; ++chain) {
      logarithms.push_back(of_batch(graph, [&](Expression& expression) {
        return layers::log_gamma(draws, expression, index, alpha(expression));
      }));
      index += layers::kGammaDraws;
    }
    const Value shares = ops::softmax(ops::concatenate(std::move(logarithms), 3));

    Value sum;
    std::size_t link = 0;
    for (std::int64_t chain = 0; chain < options.num_chains; ++chain) {
      Value changed = x;
      for (std::int64_t i = 0; i < options.chain_depth; ++i, ++link) {
        const std::vector<Layer>& parts = links_[link];
        const Value drawn = one_number(graph, draws, index++, parts.size() + 1);
        changed = one_of(context, parts, changed, drawn, 16 * static_cast<std::uint32_t>(link));
      }
      const Value share = ops::slice(shares, 3, chain, 1);
      const Value part = ops::multiply(ops::to_float(changed), share);
      sum = sum ? ops::add(sum, part) : part;
    }
    const auto low = static_cast<float>(options.value_range[0]);
    const auto high = static_cast<float>(options.value_range[1]);
    return ops::map(ops::to_float(x), sum, own, [=](Expr value, Expr mixed, Expr share) {
      return min(max(share * value + (1.0f - share) * mixed, low), high);
    });
  }

 private:
  std::vector<std::vector<Layer>> links_;
};

}  // namespace

Layer RandAugment(RandAugmentOptions options) {
  options.factor = layers::positive(options.factor).range;
  return layers::make_layer<RandAugmentLayer>(RandAugmentArguments{std::move(options)});
}
Layer AugMix(AugMixOptions options) {
  options.factor = layers::positive(options.factor).range;
  return layers::make_layer<AugMixLayer>(AugMixArguments{std::move(options)});
}
Layer layers::make_RandAugment(Fields& fields) {
  return make_layer<RandAugmentLayer>(fields.all<RandAugmentArguments>());
}
Layer layers::make_AugMix(Fields& fields) {
  return make_layer<AugMixLayer>(fields.all<AugMixArguments>());
}

}  // namespace stoker

// Attention and AdditiveAttention: one head, on inputs as they are.
#include <utility>

#include "core/check.h"
#include "layers/attention/weighing.h"
#include "layers/fields.h"
#include "layers/registry.h"
#include "layers/regularization/noise.h"
#include "ops/common.h"
#include "stoker/error.h"

namespace stoker {
namespace {

using graph::Expr;
using graph::Value;
using layers::MaskedValue;

struct AttentionArguments {
  AttentionOptions options{};
};

void describe(Fields& fields, AttentionArguments& arguments) {
  AttentionOptions& options = arguments.options;
  layers::describe_common(fields, options);
  fields("use_scale", options.use_scale);
  fields("score_mode", options.score_mode);
  fields("dropout", options.dropout);
  fields("seed", options.seed);
}

struct AdditiveAttentionArguments {
  AdditiveAttentionOptions options{};
};

void describe(Fields& fields, AdditiveAttentionArguments& arguments) {
  AdditiveAttentionOptions& options = arguments.options;
  layers::describe_common(fields, options);
  fields("use_scale", options.use_scale);
  fields("dropout", options.dropout);
  fields("seed", options.seed);
}

// What both layers have in common; they differ in their scores.
template <class Arguments>
class OneHead : public layers::DescribedLayer<Arguments, layers::LayerBase> {
 public:
  OneHead(const char* class_name, Arguments arguments)
      : layers::DescribedLayer<Arguments, layers::LayerBase>(class_name, std::move(arguments)) {
    this->takes_list = true;
    this->supports_masking = true;
    check::require(this->label(), "dropout", options().dropout, check::half_open(0, 1));
  }

  std::vector<std::string_view> call_arguments() const override {
    return {"mask", "use_causal_mask", "return_attention_scores"};
  }

  std::vector<MaskedValue> build(layers::BuildContext& context,
                                 std::span<const MaskedValue> inputs) override {
    const layers::AttentionInputs in = layers::attention_inputs(*this, context, inputs);
    const Value query = context.to_compute(in.query.value), key = context.to_compute(in.key.value),
                value = context.to_compute(in.value.value);
    require_fitting(query, value, key);
    layers::Weighing weighing;
    weighing.causal = context.arguments().has("use_causal_mask");
    weighing.blind = ops::BlindQuery::mean_with_gradient;
    weighing.key_mask = in.value.mask;
    if (context.training() && options().dropout > 0.0) {
      weighing.dropout = options().dropout;
      weighing.stream = layers::noise_stream(context, options().seed);
    }
    const bool returns_weights = context.arguments().has("return_attention_scores");
    const layers::Weighed weighed =
        weigh_inputs(context, query, key, value, weighing, returns_weights);
    const Shape& shape = weighed.y.shape();
    Value y = ops::reshape(weighed.y, {shape[0], shape[1], shape[3]});
    if (in.query.mask) {
      const Value mask = ops::reshape(in.query.mask, {shape[0], shape[1], 1});
      y = ops::cast(
          ops::map(y, mask,
                   [](Expr x, Expr m) {
                     return select(m, x, Expr{m.expression, m.expression->constant(0.0f)});
                   }),
          y.dtype());
    }
    std::vector<MaskedValue> outputs{{y, in.query.mask}};
    if (returns_weights) {
      outputs.push_back({ops::reshape(weighed.weights, {shape[0], shape[1], key.shape()[1]})});
    }
    return outputs;
  }

 protected:
  const auto& options() const { return this->arguments_.options; }

  // The means of values with one head.
  virtual layers::Weighed weigh_inputs(layers::BuildContext& context, Value query, Value key,
                                       Value value, const layers::Weighing& weighing,
                                       bool returns_weights) = 0;

  static Value one_head(Value x) {
    const Shape shape = x.shape();
    return ops::reshape(x, {shape[0], shape[1], 1, shape[2]});
  }
  // Scores (batch, 1, queries, keys) that are sums over features of f(query + key).
  static Value sums(Value query, Value key, const std::function<Expr(Expr, Expr)>& f) {
    const Shape q = query.shape(), k = key.shape();
    return ops::cast(
        ops::reduce(ops::ReduceKind::sum, ops::reshape(query, {q[0], 1, q[1], 1, q[2]}),
                    ops::reshape(key, {k[0], 1, 1, k[1], k[2]}), f, {-1}),
        query.dtype());
  }

 private:
  static void require_fitting(Value query, Value value, Value key) {
    const Shape &q = query.shape(), &v = value.shape(), &k = key.shape();
    const bool fits = q.rank() == 3 && v.rank() == 3 && k.rank() == 3 && q[2] == k[2] &&
                      v[1] == k[1] && q[0] == v[0] && q[0] == k[0];
    ops::require(fits, *query.graph,
                 "expected a query (batch, queries, features), a value (batch, keys, ..) and a key "
                 "(batch, keys, features), received ",
                 q, ", ", v, " and ", k);
  }
};

class AttentionLayer final : public OneHead<AttentionArguments> {
 public:
  explicit AttentionLayer(AttentionArguments arguments)
      : OneHead("Attention", std::move(arguments)) {
    const std::string& mode = options().score_mode;
    if (mode != "dot" && mode != "concat") {
      throw ValueError(
          format(label(), ": expected score_mode \"dot\" or \"concat\", received \"", mode, "\""));
    }
  }

 private:
  layers::Weighed weigh_inputs(layers::BuildContext& context, Value query, Value key, Value value,
                               const layers::Weighing& weighing, bool returns_weights) override {
    const Initializer ones(Initializer::Kind::ones);
    const Value scale = options().use_scale ? context.weight({"scale", {}, ones}) : Value{};
    if (options().score_mode == "dot") {
      if (scale) query = ops::multiply(query, scale);
      return layers::weigh(one_head(query), one_head(key), one_head(value), weighing,
                           returns_weights);
    }
    if (scale) {
      query = ops::multiply(query, scale);
      key = ops::multiply(key, scale);
    }
    const Value scores = ops::multiply(sums(query, key, [](Expr q, Expr k) { return tanh(q + k); }),
                                       context.weight({"concat_score_weight", {}, ones}));
    return layers::weigh_by_scores(scores, one_head(value), weighing);
  }
};

class AdditiveAttentionLayer final : public OneHead<AdditiveAttentionArguments> {
 public:
  explicit AdditiveAttentionLayer(AdditiveAttentionArguments arguments)
      : OneHead("AdditiveAttention", std::move(arguments)) {}

 private:
  layers::Weighed weigh_inputs(layers::BuildContext& context, Value query, Value key, Value value,
                               const layers::Weighing& weighing, bool) override {
    const auto unscaled = [](Expr q, Expr k) { return tanh(q + k); };
    if (!options().use_scale) {
      return layers::weigh_by_scores(sums(query, key, unscaled), one_head(value), weighing);
    }
    const Value scale = context.weight({"scale", {query.shape().back()}, "glorot_uniform"});
    const Shape q = query.shape(), k = key.shape();
    const Value scores =
        ops::cast(ops::reduce(ops::ReduceKind::sum, ops::reshape(query, {q[0], 1, q[1], 1, q[2]}),
                              ops::reshape(key, {k[0], 1, 1, k[1], k[2]}), scale,
                              [](Expr a, Expr b, Expr s) { return s * tanh(a + b); }, {-1}),
                  query.dtype());
    return layers::weigh_by_scores(scores, one_head(value), weighing);
  }
};

}  // namespace

Layer Attention(AttentionOptions options) {
  return Layer(std::make_shared<AttentionLayer>(AttentionArguments{std::move(options)}));
}
Layer AdditiveAttention(AdditiveAttentionOptions options) {
  return Layer(
      std::make_shared<AdditiveAttentionLayer>(AdditiveAttentionArguments{std::move(options)}));
}

Layer layers::make_Attention(Fields& fields) {
  return Layer(std::make_shared<AttentionLayer>(fields.all<AttentionArguments>()));
}
Layer layers::make_AdditiveAttention(Fields& fields) {
  return Layer(std::make_shared<AdditiveAttentionLayer>(fields.all<AdditiveAttentionArguments>()));
}

}  // namespace stoker

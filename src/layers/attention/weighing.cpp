#include "layers/attention/weighing.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "layers/regularization/noise.h"
#include "ops/common.h"
#include "stoker/error.h"

namespace stoker::layers {

using graph::Expr;
using graph::Value;

namespace {

// 1 where a mask of any type is not 0.
Value as_mask(Value mask) {
  return ops::map(ops::to_float(mask), [](Expr m) { return 1.0f - equal(m, 0.0f); });
}

// Keras's numbers for what is hidden, of which the larger is beyond float16.
float hidden_score(DType dtype) { return dtype == DType::float16 ? -3e4f : -1e9f; }
float subtracted_score(DType dtype) { return dtype == DType::float16 ? 65504.0f : 1e9f; }

// Which keys each query sees by its place, (1, 1, queries, keys); invalid where it sees all.
Value seen_by_place(graph::Graph& graph, std::int64_t queries, std::int64_t keys,
                    const Weighing& weighing) {
  if (!weighing.causal && weighing.window == 0) return {};
  std::vector<float> seen;
  for (std::int64_t t = 0; t < queries; ++t) {
    for (std::int64_t s = 0; s < keys; ++s) {
      const bool is_hidden =
          (weighing.causal && s > t) || (weighing.window > 0 && std::abs(t - s) >= weighing.window);
      seen.push_back(is_hidden ? 0.0f : 1.0f);
    }
  }
  return ops::constant(graph, {1, 1, queries, keys}, std::move(seen));
}

// All masks as one that broadcasts to scores (batch, heads, queries, keys); invalid without any.
Value mask_of_scores(Value scores, const Weighing& weighing) {
  const Shape& shape = scores.shape();
  Value mask = seen_by_place(*scores.graph, shape[2], shape[3], weighing);
  const auto add = [&](Value own, Shape places) {
    if (own) mask = both_masks(mask, ops::reshape(own, std::move(places)));
  };
  add(weighing.query_mask, {shape[0], 1, shape[2], 1});
  add(weighing.key_mask, {shape[0], 1, 1, shape[3]});
  if (!weighing.attention_mask) return mask;
  Shape places = weighing.attention_mask.shape();
  // The heads stand behind the batch, or before it where there is none.
  if (places.rank() == 3) places = {places[0], 1, places[1], places[2]};
  if (places.rank() == 2) places = {1, 1, places[0], places[1]};
  bool fits = places.rank() == 4;
  for (std::size_t axis = 0; fits && axis < 4; ++axis) {
    fits = places[axis] == 1 || places[axis] == shape[axis] || places[axis] < 0 || shape[axis] < 0;
  }
  ops::require(fits, *scores.graph, "expected an attention_mask for scores ", shape,
               " (batch, heads, queries, keys), or without heads, received one of ",
               weighing.attention_mask.shape());
  add(as_mask(weighing.attention_mask), places);
  return mask;
}

Value cast_map(Value x, Value mask, const std::function<Expr(Expr, Expr)>& f) {
  return ops::cast(ops::map(x, mask, f), x.dtype());
}

// Queries (batch, steps, heads, features) as (batch, heads, steps, features), of which key heads
// are repeated by `groups`.
Value by_head(Value x) { return ops::transpose(x, {0, 2, 1, 3}); }

// The product for each head, in which several heads of `a` may share one of `b`: (batch, heads, m,
// k) and (batch, key heads, ..).
Value product_by_head(Value a, Value b, bool transpose_b) {
  const Shape left = a.shape(), right = b.shape();
  if (left[1] == right[1]) return ops::matmul(a, b, false, transpose_b);
  const std::int64_t group = left[1] / right[1];
  const Value y =
      ops::matmul(ops::reshape(a, {left[0], right[1], group, left[2], left[3]}),
                  ops::reshape(b, {right[0], right[1], 1, right[2], right[3]}), false, transpose_b);
  return ops::reshape(y, {left[0], left[1], left[2], y.shape().back()});
}

}  // namespace

Value both_masks(Value a, Value b) {
  if (!a || !b) return a ? a : b;
  return ops::map(a, b, [](Expr x, Expr y) { return x * y; });
}

AttentionInputs attention_inputs(const LayerBase& layer, const BuildContext& context,
                                 std::span<const MaskedValue> inputs) {
  const std::vector<std::string>& named = context.arguments().named;
  const std::size_t placed = inputs.size() - named.size();
  if (placed < 2 || placed > 3) {
    throw ShapeError(format(layer.label(),
                            ": expected a query and a value, or a query, a value and ",
                            "a key, received ", placed, placed == 1 ? " input" : " inputs"));
  }
  AttentionInputs all{inputs[0], inputs[1], inputs[placed - 1], placed == 3, {}};
  const auto mask_for = [&](Value mask, const MaskedValue& input, const char* what) {
    const Shape& shape = input.value.shape();
    const Shape steps{shape[0], shape.rank() > 1 ? shape[1] : 1};
    ops::require(mask.shape() == steps, *mask.graph, "expected a ", what, " of ", steps,
                 ", received ", mask.shape());
    return as_mask(mask);
  };
  for (std::size_t i = 0; i < named.size(); ++i) {
    const Value given = inputs[placed + i].value;
    if (named[i] == "attention_mask") all.attention_mask = given;
    if (named[i] == "query_mask" || named[i] == "mask[0]") {
      all.query.mask = mask_for(given, all.query, "query_mask");
    }
    if (named[i] == "value_mask" || named[i] == "mask[1]") {
      all.value.mask = mask_for(given, all.value, "value_mask");
    }
    if (named[i] == "key_mask" || named[i] == "mask[2]") {
      all.key.mask = mask_for(given, all.key, "key_mask");
      all.has_own_key = true;
    }
  }
  return all;
}

Weighed weigh_by_scores(Value scores, Value value, const Weighing& weighing) {
  const Value mask = mask_of_scores(scores, weighing);
  const DType dtype = scores.dtype();
  if (mask && weighing.blind == ops::BlindQuery::mean_with_gradient) {
    const float less = subtracted_score(dtype);
    scores = cast_map(scores, mask, [less](Expr s, Expr m) { return select(m, s, s - less); });
  } else if (mask) {
    const float hidden = hidden_score(dtype);
    scores = cast_map(scores, mask, [hidden](Expr s, Expr m) {
      return select(m, s, Expr{m.expression, m.expression->constant(hidden)});
    });
  }
  Value weights = ops::softmax(scores);
  if (mask && weighing.blind == ops::BlindQuery::zeros) {
    weights = cast_map(weights, mask, [](Expr w, Expr m) { return w * m; });
  }
  Value kept = weights;
  if (weighing.dropout > 0.0) {
    kept = with_mask(
        weights, weights.shape(), weighing.stream,
        [&](Expr uniform) { return dropout_mask(uniform, weighing.dropout); },
        [](Expr weight, Expr drop) { return weight * drop; });
  }
  const Value y = product_by_head(kept, by_head(value), false);
  return {by_head(y), weights};
}

Weighed weigh(Value query, Value key, Value value, const Weighing& weighing, bool returns_weights) {
  if (!returns_weights && !weighing.attention_mask) {
    ops::AttentionAttributes attributes;
    attributes.scale = static_cast<float>(weighing.scale);
    attributes.causal = weighing.causal;
    attributes.window = weighing.window;
    attributes.blind = weighing.blind;
    attributes.dropout = static_cast<float>(weighing.dropout);
    attributes.stream = weighing.stream;
    return {ops::attention(query, key, value, weighing.query_mask, weighing.key_mask, attributes),
            {}};
  }
  const auto scale = static_cast<float>(weighing.scale);
  const Value scaled =
      ops::cast(ops::map(query, [scale](Expr q) { return q * scale; }), query.dtype());
  return weigh_by_scores(product_by_head(by_head(scaled), by_head(key), true), value, weighing);
}

}  // namespace stoker::layers

// MultiHeadAttention (Vaswani et al.: "Attention is all you need", 2017, section 3.2.2).
#include <algorithm>
#include <cmath>
#include <utility>

#include "core/check.h"
#include "layers/attention/projection.h"
#include "layers/attention/weighing.h"
#include "layers/fields.h"
#include "layers/registry.h"
#include "layers/regularization/noise.h"
#include "ops/common.h"
#include "stoker/error.h"

namespace stoker {
namespace {

using graph::Value;
using layers::MaskedValue;
using layers::Projection;

struct MultiHeadAttentionArguments {
  std::int64_t num_heads = 0;
  std::int64_t key_dim = 0;
  MultiHeadAttentionOptions options{};
};

void describe(Fields& fields, MultiHeadAttentionArguments& arguments) {
  MultiHeadAttentionOptions& options = arguments.options;
  layers::describe_common(fields, options);
  fields.required("num_heads", arguments.num_heads);
  fields.required("key_dim", arguments.key_dim);
  if (!fields.reads() && !options.value_dim) options.value_dim = arguments.key_dim;
  fields("value_dim", options.value_dim);
  fields("dropout", options.dropout);
  fields("use_bias", options.use_bias);
  fields("use_gate", options.use_gate);
  std::optional<Shape> output_shape;
  if (options.output_shape.rank() > 0) output_shape = options.output_shape;
  fields("output_shape", output_shape);
  options.output_shape = output_shape.value_or(Shape());
  // Keras writes a list, also of one axis.
  std::optional<std::vector<std::int64_t>> axes;
  if (options.attention_axes) axes = options.attention_axes->numbers();
  fields("attention_axes", axes);
  if (axes) options.attention_axes = Axes(*axes);
  fields("sliding_window", options.sliding_window);
  fields("kernel_initializer", options.kernel_initializer);
  fields("bias_initializer", options.bias_initializer);
  fields("kernel_regularizer", options.kernel_regularizer);
  fields("bias_regularizer", options.bias_regularizer);
  fields("activity_regularizer", options.activity_regularizer);
  fields("kernel_constraint", options.kernel_constraint);
  fields("bias_constraint", options.bias_constraint);
  fields("seed", options.seed);
}

class MultiHeadAttentionLayer final
    : public layers::DescribedLayer<MultiHeadAttentionArguments, layers::LayerBase> {
 public:
  explicit MultiHeadAttentionLayer(MultiHeadAttentionArguments arguments)
      : DescribedLayer("MultiHeadAttention", std::move(arguments)) {
    supports_masking = true;
    layers::require_positive(*this, "num_heads", heads_);
    layers::require_positive(*this, "key_dim", arguments_.key_dim);
    layers::require_positive(*this, "value_dim", value_dim_);
    check::require(label(), "dropout", options_.dropout, check::half_open(0, 1));
    if (options_.sliding_window) {
      layers::require_positive(*this, "sliding_window", *options_.sliding_window);
    }
    const layers::ProjectionOptions own = layers::projection_options(options_);
    query_ = std::make_shared<Projection>("query", 1, own);
    key_ = std::make_shared<Projection>("key", 1, own);
    value_ = std::make_shared<Projection>("value", 1, own);
    output_ = std::make_shared<Projection>("attention_output", 2, own);
    if (options_.use_gate) gate_ = std::make_shared<Projection>("gate", 1, own, "sigmoid");
  }

  std::vector<layers::Child> children() const override {
    std::vector<layers::Child> all{{"query", query_, "query_dense"}, {"key", key_, "key_dense"}};
    if (gate_) all.push_back({"gate", gate_, "_gate_dense"});
    all.push_back({"value", value_, "value_dense"});
    all.push_back({"attention_output", output_, "output_dense"});
    return all;
  }
  std::vector<std::string_view> input_names() const override { return {"query", "value", "key"}; }
  std::vector<std::string_view> call_arguments() const override {
    return {"query_mask",     "value_mask",      "key_mask",
            "attention_mask", "use_causal_mask", "return_attention_scores"};
  }

  std::vector<MaskedValue> build(layers::BuildContext& context,
                                 std::span<const MaskedValue> inputs) override {
    const layers::AttentionInputs in = layers::attention_inputs(*this, context, inputs);
    const Shape &q = in.query.value.shape(), &v = in.value.value.shape();
    require_fitting(in);
    const bool returns_weights = context.arguments().has("return_attention_scores");
    const layers::Weighing weighing = weighing_of(context, in, returns_weights);
    const auto project = [&](Projection& projection, Value x, Shape outputs) {
      projection.outputs = std::move(outputs);
      const MaskedValue input{x};
      return context.call(projection, {&input, 1}).at(0).value;
    };
    Value gate;
    if (gate_) gate = project(*gate_, in.query.value, {heads_, value_dim_});
    const Value query = project(*query_, in.query.value, {heads_, arguments_.key_dim});
    const Value key = project(*key_, in.key.value, {heads_, arguments_.key_dim});
    const Value value = project(*value_, in.value.value, {heads_, value_dim_});

    const std::vector<std::int64_t> axes = attended_axes(q);
    const layers::Weighed weighed =
        layers::weigh(as_sequences(query, axes), as_sequences(key, axes), as_sequences(value, axes),
                      weighing, returns_weights);
    Shape shape = query.shape();
    shape[shape.rank() - 1] = value_dim_;
    Value y = from_sequences(weighed.y, shape, axes);
    if (gate) y = ops::multiply(y, gate);
    Shape outputs = options_.output_shape;
    if (outputs.rank() == 0) outputs.push_back(q.back());
    std::vector<MaskedValue> all{{project(*output_, y, outputs), in.query.mask}};
    if (returns_weights) all.push_back({scores_of(weighed.weights, q, v, axes)});
    return all;
  }

 private:
  // The axes that are attended over, in order.
  std::vector<std::int64_t> attended_axes(const Shape& query) const {
    const auto rank = static_cast<std::int64_t>(query.rank());
    std::vector<std::int64_t> axes;
    if (!options_.attention_axes) {
      for (std::int64_t axis = 1; axis + 1 < rank; ++axis) axes.push_back(axis);
      return axes;
    }
    for (const std::int64_t axis : options_.attention_axes->numbers()) {
      const std::int64_t from_front = axis < 0 ? axis + rank : axis;
      if (from_front < 1 || from_front + 1 >= rank) {
        throw ShapeError(format(label(), ": attention axis ", axis, " is none between the batch ",
                                "and the features of query ", query));
      }
      axes.push_back(from_front);
    }
    std::ranges::sort(axes);
    return axes;
  }

  void require_fitting(const layers::AttentionInputs& in) const {
    const Shape &q = in.query.value.shape(), &v = in.value.value.shape(), &k = in.key.value.shape();
    bool fits = q.rank() >= 3 && v.rank() == q.rank() && k.rank() == q.rank() && q[0] == v[0] &&
                q[0] == k[0];
    const std::vector<std::int64_t> axes = fits ? attended_axes(q) : std::vector<std::int64_t>{};
    for (std::size_t axis = 1; fits && axis + 1 < q.rank(); ++axis) {
      const bool is_attended =
          std::ranges::find(axes, static_cast<std::int64_t>(axis)) != axes.end();
      fits = v[axis] == k[axis] && (is_attended || q[axis] == v[axis]);
    }
    if (!fits) {
      throw ShapeError(format(label(),
                              ": expected a query (batch, queries, features), a value and a "
                              "key (batch, keys, features), received ",
                              q, ", ", v, " and ", k));
    }
  }

  layers::Weighing weighing_of(layers::BuildContext& context, const layers::AttentionInputs& in,
                               bool returns_weights) const {
    const Shape& q = in.query.value.shape();
    layers::Weighing weighing;
    weighing.scale = 1.0 / std::sqrt(static_cast<double>(arguments_.key_dim));
    weighing.causal = context.arguments().has("use_causal_mask");
    weighing.window = options_.sliding_window.value_or(0);
    // Keras multiplies the weights of what a query does not see by 0, except where it calls its
    // backend's own attention.
    const bool is_composed = options_.dropout > 0.0 || returns_weights || q.rank() != 3;
    weighing.blind = is_composed ? ops::BlindQuery::zeros : ops::BlindQuery::mean;
    weighing.query_mask = in.query.mask;
    weighing.key_mask =
        in.has_own_key ? layers::both_masks(in.value.mask, in.key.mask) : in.value.mask;
    weighing.attention_mask = in.attention_mask;
    const bool has_masks = weighing.query_mask || weighing.key_mask || weighing.attention_mask;
    const bool has_places = weighing.causal || weighing.window > 0;
    if (q.rank() != 3 && (has_masks || (has_places && attended_axes(q).size() != 1))) {
      throw ValueError(format(label(),
                              ": masks are those of sequences; expected a query of rank 3 ",
                              "with them, received ", q));
    }
    if (context.training() && options_.dropout > 0.0) {
      weighing.dropout = options_.dropout;
      weighing.stream = layers::noise_stream(context, options_.seed);
    }
    return weighing;
  }

  // The order of the axes of a projected value in which those that are attended over stand together
  // before heads and features.
  static std::vector<std::int64_t> order_of(std::size_t rank,
                                            const std::vector<std::int64_t>& axes) {
    std::vector<std::int64_t> order{0};
    for (std::int64_t axis = 1; axis + 2 < static_cast<std::int64_t>(rank); ++axis) {
      if (std::ranges::find(axes, axis) == axes.end()) order.push_back(axis);
    }
    order.insert(order.end(), axes.begin(), axes.end());
    order.push_back(static_cast<std::int64_t>(rank) - 2);
    order.push_back(static_cast<std::int64_t>(rank) - 1);
    return order;
  }
  // (batch, .., heads, features) as (sequences, steps, heads, features).
  static Value as_sequences(Value x, const std::vector<std::int64_t>& axes) {
    const Shape shape = x.shape();
    if (shape.rank() == 4) return x;
    std::int64_t steps = 1, sequences = shape[0];
    for (std::size_t axis = 1; axis + 2 < shape.rank(); ++axis) {
      const bool is_attended =
          std::ranges::find(axes, static_cast<std::int64_t>(axis)) != axes.end();
      if (is_attended) {
        steps *= shape[axis];
      } else if (sequences > 0) {
        sequences *= shape[axis];
      }
    }
    return ops::reshape(ops::transpose(x, order_of(shape.rank(), axes)),
                        {sequences, steps, shape[shape.rank() - 2], shape.back()});
  }
  static Value from_sequences(Value y, const Shape& shape, const std::vector<std::int64_t>& axes) {
    if (shape.rank() == 4) return y;
    const std::vector<std::int64_t> order = order_of(shape.rank(), axes);
    Shape moved;
    std::vector<std::int64_t> back(order.size());
    for (std::size_t i = 0; i < order.size(); ++i) {
      moved.push_back(shape[static_cast<std::size_t>(order[i])]);
      back[static_cast<std::size_t>(order[i])] = static_cast<std::int64_t>(i);
    }
    return ops::transpose(ops::reshape(y, moved), back);
  }
  // Keras's scores: (batch, axes that are not attended over, heads, query axes, key axes).
  static Value scores_of(Value weights, const Shape& query, const Shape& value,
                         const std::vector<std::int64_t>& axes) {
    if (query.rank() == 3) return weights;
    Shape shape{query[0]};
    for (std::size_t axis = 1; axis + 1 < query.rank(); ++axis) {
      if (std::ranges::find(axes, static_cast<std::int64_t>(axis)) == axes.end()) {
        shape.push_back(query[axis]);
      }
    }
    shape.push_back(weights.shape()[1]);
    for (const std::int64_t axis : axes) shape.push_back(query[static_cast<std::size_t>(axis)]);
    for (const std::int64_t axis : axes) shape.push_back(value[static_cast<std::size_t>(axis)]);
    return ops::reshape(weights, shape);
  }

  const MultiHeadAttentionOptions& options_ = arguments_.options;
  const std::int64_t heads_ = arguments_.num_heads;
  const std::int64_t value_dim_ = options_.value_dim.value_or(arguments_.key_dim);
  std::shared_ptr<Projection> query_, key_, value_, output_, gate_;
};

}  // namespace

Layer MultiHeadAttention(std::int64_t num_heads, std::int64_t key_dim,
                         MultiHeadAttentionOptions options) {
  return Layer(std::make_shared<MultiHeadAttentionLayer>(
      MultiHeadAttentionArguments{num_heads, key_dim, std::move(options)}));
}

Layer layers::make_MultiHeadAttention(Fields& fields) {
  return Layer(
      std::make_shared<MultiHeadAttentionLayer>(fields.all<MultiHeadAttentionArguments>()));
}

}  // namespace stoker

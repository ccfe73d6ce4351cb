// GroupQueryAttention (Ainslie et al.: "GQA: Training Generalized Multi-Query Transformer Models
// from Multi-Head Checkpoints", 2023).
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

struct GroupQueryAttentionArguments {
  std::int64_t head_dim = 0;
  std::int64_t num_query_heads = 0;
  std::int64_t num_key_value_heads = 0;
  GroupQueryAttentionOptions options{};
};

void describe(Fields& fields, GroupQueryAttentionArguments& arguments) {
  GroupQueryAttentionOptions& options = arguments.options;
  layers::describe_common(fields, options);
  fields.required("head_dim", arguments.head_dim);
  fields.required("num_query_heads", arguments.num_query_heads);
  fields.required("num_key_value_heads", arguments.num_key_value_heads);
  fields("use_bias", options.use_bias);
  fields("use_gate", options.use_gate);
  fields("dropout", options.dropout);
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

class GroupQueryAttentionLayer final
    : public layers::DescribedLayer<GroupQueryAttentionArguments, layers::LayerBase> {
 public:
  explicit GroupQueryAttentionLayer(GroupQueryAttentionArguments arguments)
      : DescribedLayer("GroupQueryAttention", std::move(arguments)) {
    supports_masking = true;
    layers::require_positive(*this, "head_dim", arguments_.head_dim);
    layers::require_positive(*this, "num_query_heads", arguments_.num_query_heads);
    layers::require_positive(*this, "num_key_value_heads", arguments_.num_key_value_heads);
    if (arguments_.num_query_heads % arguments_.num_key_value_heads != 0) {
      throw ValueError(format(label(),
                              ": expected num_query_heads that is a multiple of "
                              "num_key_value_heads, received ",
                              arguments_.num_query_heads, " and ", arguments_.num_key_value_heads));
    }
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

  // Keras keeps these layers in attributes that are not public, by which its files name them.
  std::vector<layers::Child> children() const override {
    std::vector<layers::Child> all{{"query", query_, "_query_dense"}, {"key", key_, "_key_dense"}};
    if (gate_) all.push_back({"gate", gate_, "_gate_dense"});
    all.push_back({"value", value_, "_value_dense"});
    all.push_back({"attention_output", output_, "_output_dense"});
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
    const Shape &q = in.query.value.shape(), &v = in.value.value.shape(), &k = in.key.value.shape();
    if (q.rank() != 3 || v.rank() != 3 || k.rank() != 3 || v[1] != k[1] || q[0] != v[0] ||
        q[0] != k[0]) {
      throw ShapeError(format(label(),
                              ": expected a query (batch, queries, features), a value and a "
                              "key (batch, keys, features), received ",
                              q, ", ", v, " and ", k));
    }
    const bool returns_weights = context.arguments().has("return_attention_scores");
    layers::Weighing weighing;
    weighing.scale = 1.0 / std::sqrt(static_cast<double>(arguments_.head_dim));
    weighing.causal = context.arguments().has("use_causal_mask");
    weighing.window = options_.sliding_window.value_or(0);
    // As in MultiHeadAttention.
    const bool is_composed = options_.dropout > 0.0 || returns_weights;
    weighing.blind = is_composed ? ops::BlindQuery::zeros : ops::BlindQuery::mean;
    weighing.query_mask = in.query.mask;
    weighing.key_mask =
        in.has_own_key ? layers::both_masks(in.value.mask, in.key.mask) : in.value.mask;
    weighing.attention_mask = in.attention_mask;
    if (context.training() && options_.dropout > 0.0) {
      weighing.dropout = options_.dropout;
      weighing.stream = layers::noise_stream(context, options_.seed);
    }
    const auto project = [&](Projection& projection, Value x, Shape outputs) {
      projection.outputs = std::move(outputs);
      const MaskedValue input{x};
      return context.call(projection, {&input, 1}).at(0).value;
    };
    const Shape of_queries{arguments_.num_query_heads, arguments_.head_dim};
    const Shape of_keys{arguments_.num_key_value_heads, arguments_.head_dim};
    Value gate;
    if (gate_) gate = project(*gate_, in.query.value, of_queries);
    const Value query = project(*query_, in.query.value, of_queries);
    const Value key = project(*key_, in.key.value, of_keys);
    const Value value = project(*value_, in.value.value, of_keys);
    const layers::Weighed weighed = layers::weigh(query, key, value, weighing, returns_weights);
    const Value y = gate ? ops::multiply(weighed.y, gate) : weighed.y;
    std::vector<MaskedValue> all{{project(*output_, y, {q.back()}), in.query.mask}};
    if (returns_weights) all.push_back({weighed.weights});
    return all;
  }

 private:
  const GroupQueryAttentionOptions& options_ = arguments_.options;
  std::shared_ptr<Projection> query_, key_, value_, output_, gate_;
};

}  // namespace

Layer GroupQueryAttention(std::int64_t head_dim, std::int64_t num_query_heads,
                          std::int64_t num_key_value_heads, GroupQueryAttentionOptions options) {
  return Layer(std::make_shared<GroupQueryAttentionLayer>(GroupQueryAttentionArguments{
      head_dim, num_query_heads, num_key_value_heads, std::move(options)}));
}

Layer layers::make_GroupQueryAttention(Fields& fields) {
  return Layer(
      std::make_shared<GroupQueryAttentionLayer>(fields.all<GroupQueryAttentionArguments>()));
}

}  // namespace stoker

// Embedding: a vector of the table for each id. With mask_zero, the id 0 marks a masked step.
// ReversibleEmbedding goes from vectors back to a number for each id too, by the same table or one
// of its own.
#include "core/check.h"
#include "layers/fields.h"
#include "layers/registry.h"
#include "ops/common.h"

namespace stoker {
namespace {

struct EmbeddingArguments {
  std::int64_t input_dim = 0;
  std::int64_t output_dim = 0;
  EmbeddingOptions options{};
};

struct ReversibleEmbeddingArguments {
  std::int64_t input_dim = 0;
  std::int64_t output_dim = 0;
  ReversibleEmbeddingOptions options{};
};

template <class Arguments>
void describe_table(Fields& fields, Arguments& embedding) {
  layers::describe_common(fields, embedding.options);
  fields.required("input_dim", embedding.input_dim);
  fields.required("output_dim", embedding.output_dim);
  fields("embeddings_initializer", embedding.options.embeddings_initializer);
  fields("embeddings_regularizer", embedding.options.embeddings_regularizer);
  fields("embeddings_constraint", embedding.options.embeddings_constraint);
  fields("activity_regularizer", embedding.options.activity_regularizer);
  fields("mask_zero", embedding.options.mask_zero);
  fields.never({"lora_rank", "quantization_config"});
}

void describe(Fields& fields, EmbeddingArguments& embedding) { describe_table(fields, embedding); }

void describe(Fields& fields, ReversibleEmbeddingArguments& embedding) {
  describe_table(fields, embedding);
  fields("tie_weights", embedding.options.tie_weights);
  fields("reverse_dtype", embedding.options.reverse_dtype);
  fields("logit_soft_cap", embedding.options.logit_soft_cap);
}

// A layer with a table that it looks ids up in.
template <class Arguments>
class TableLayer : public layers::DescribedLayer<Arguments> {
  using Base = layers::DescribedLayer<Arguments>;

 public:
  TableLayer(const char* class_name, Arguments arguments) : Base(class_name, std::move(arguments)) {
    layers::require_positive(*this, "input_dim", input_dim_);
    layers::require_positive(*this, "output_dim", output_dim_);
    this->casts_inputs = false;  // bfloat16 cannot hold every id above 256.
  }

  std::vector<layers::MaskedValue> build(layers::BuildContext& context,
                                         std::span<const layers::MaskedValue> inputs) override {
    std::vector<layers::MaskedValue> outputs = Base::build(context, inputs);
    if (options_.mask_zero) {
      outputs[0].mask = ops::map(ops::to_float(inputs[0].value),
                                 [](graph::Expr id) { return 1.0f - equal(id, 0.0f); });
    }
    return outputs;
  }

 protected:
  graph::Value table(layers::BuildContext& context) const {
    return context.weight({"embeddings",
                           {input_dim_, output_dim_},
                           options_.embeddings_initializer,
                           options_.embeddings_regularizer,
                           options_.embeddings_constraint});
  }
  graph::Value apply(layers::BuildContext& context, graph::Value x) override {
    const graph::Value ids = x.dtype() == DType::int32 ? x : ops::to_float(x);
    const graph::Value y = ops::embedding(table(context), ids);
    layers::add_activity_loss(context, options_.activity_regularizer, y);
    return y;
  }

  const std::int64_t input_dim_ = this->arguments_.input_dim;
  const std::int64_t output_dim_ = this->arguments_.output_dim;
  const decltype(Arguments::options)& options_ = this->arguments_.options;
};

using EmbeddingLayer = TableLayer<EmbeddingArguments>;

class ReversibleEmbeddingLayer final : public TableLayer<ReversibleEmbeddingArguments> {
 public:
  explicit ReversibleEmbeddingLayer(ReversibleEmbeddingArguments arguments)
      : TableLayer("ReversibleEmbedding", std::move(arguments)) {
    if (options_.logit_soft_cap) {
      check::require(label(), "a logit_soft_cap", *options_.logit_soft_cap, check::above(0));
    }
    if (options_.reverse_dtype) {
      const layers::DTypePolicy policy = layers::policy_of(*options_.reverse_dtype, label());
      if (policy.compute != policy.variable) {
        throw ValueError(format(label(), ": expected a reverse_dtype of float32, bfloat16 or ",
                                "float16, received ", *options_.reverse_dtype));
      }
      reverse_dtype_ = policy.compute;
    }
  }

  std::vector<std::string_view> call_arguments() const override { return {"reverse"}; }

  std::vector<layers::MaskedValue> build(layers::BuildContext& context,
                                         std::span<const layers::MaskedValue> inputs) override {
    if (!context.arguments().has("reverse")) return TableLayer::build(context, inputs);
    if (inputs.size() != 1) {
      throw ShapeError(format(label(), ": expected one input, received ", inputs.size()));
    }
    return {{logits(context, inputs[0].value)}};
  }

 protected:
  graph::Value apply(layers::BuildContext& context, graph::Value x) override {
    // As in Keras, whichever call comes first declares all weights.
    table(context);
    if (!options_.tie_weights) reverse_table(context);
    return TableLayer::apply(context, x);
  }

 private:
  graph::Value reverse_table(layers::BuildContext& context) const {
    return context.weight(
        {"reverse_embeddings", {output_dim_, input_dim_}, options_.embeddings_initializer});
  }

  graph::Value logits(layers::BuildContext& context, graph::Value x) const {
    ops::require(x.shape().rank() >= 2 && x.shape().back() == output_dim_, *x.graph,
                 "expected vectors (..., output_dim) of ", output_dim_,
                 " numbers for the call with reverse, received ", x.shape());
    x = context.to_compute(x);
    graph::Value matrix = table(context);
    if (!options_.tie_weights) matrix = reverse_table(context);
    if (reverse_dtype_) {
      x = ops::cast(x, *reverse_dtype_);
      matrix = ops::cast(matrix, *reverse_dtype_);
    }
    const graph::Value y = ops::matmul(x, matrix, false, options_.tie_weights);
    if (!options_.logit_soft_cap) return y;
    const auto cap = static_cast<float>(*options_.logit_soft_cap);
    return ops::map(y, [cap](graph::Expr logit) { return tanh(logit / cap) * cap; });
  }

  std::optional<DType> reverse_dtype_{};
};

}  // namespace

Layer Embedding(std::int64_t input_dim, std::int64_t output_dim, EmbeddingOptions options) {
  return Layer(std::make_shared<EmbeddingLayer>(
      "Embedding", EmbeddingArguments{input_dim, output_dim, std::move(options)}));
}

Layer layers::make_Embedding(Fields& fields) {
  return Layer(std::make_shared<EmbeddingLayer>("Embedding", fields.all<EmbeddingArguments>()));
}

Layer ReversibleEmbedding(std::int64_t input_dim, std::int64_t output_dim,
                          ReversibleEmbeddingOptions options) {
  return Layer(std::make_shared<ReversibleEmbeddingLayer>(
      ReversibleEmbeddingArguments{input_dim, output_dim, std::move(options)}));
}

Layer layers::make_ReversibleEmbedding(Fields& fields) {
  return Layer(
      std::make_shared<ReversibleEmbeddingLayer>(fields.all<ReversibleEmbeddingArguments>()));
}

}  // namespace stoker

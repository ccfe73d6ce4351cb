// Embedding: a vector of the table for each id. With mask_zero, the id 0 marks a masked step.
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

void describe(Fields& fields, EmbeddingArguments& embedding) {
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

class EmbeddingLayer final : public layers::DescribedLayer<EmbeddingArguments> {
 public:
  explicit EmbeddingLayer(EmbeddingArguments arguments)
      : DescribedLayer("Embedding", std::move(arguments)) {
    layers::require_positive(*this, "input_dim", input_dim_);
    layers::require_positive(*this, "output_dim", output_dim_);
    casts_inputs = false;  // bfloat16 cannot hold every id above 256.
  }

  std::vector<layers::MaskedValue> build(layers::BuildContext& context,
                                         std::span<const layers::MaskedValue> inputs) override {
    std::vector<layers::MaskedValue> outputs = DescribedLayer::build(context, inputs);
    if (options_.mask_zero) {
      outputs[0].mask = ops::map(ops::to_float(inputs[0].value),
                                 [](graph::Expr id) { return 1.0f - equal(id, 0.0f); });
    }
    return outputs;
  }

 protected:
  graph::Value apply(layers::BuildContext& context, graph::Value x) override {
    const graph::Value table = context.weight({"embeddings",
                                               {input_dim_, output_dim_},
                                               options_.embeddings_initializer,
                                               options_.embeddings_regularizer,
                                               options_.embeddings_constraint});
    const graph::Value ids = x.dtype() == DType::int32 ? x : ops::to_float(x);
    const graph::Value y = ops::embedding(table, ids);
    layers::add_activity_loss(context, options_.activity_regularizer, y);
    return y;
  }

 private:
  const std::int64_t input_dim_ = arguments_.input_dim;
  const std::int64_t output_dim_ = arguments_.output_dim;
  const EmbeddingOptions& options_ = arguments_.options;
};

}  // namespace

Layer Embedding(std::int64_t input_dim, std::int64_t output_dim, EmbeddingOptions options) {
  return Layer(std::make_shared<EmbeddingLayer>(
      EmbeddingArguments{input_dim, output_dim, std::move(options)}));
}

Layer layers::make_Embedding(Fields& fields) {
  return Layer(std::make_shared<EmbeddingLayer>(fields.all<EmbeddingArguments>()));
}

}  // namespace stoker

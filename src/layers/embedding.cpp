// Embedding: a vector of the table for each id.
#include "layers/layer.h"
#include "ops/common.h"

namespace stoker {
namespace {

class EmbeddingLayer final : public layers::LayerBase {
 public:
  EmbeddingLayer(std::int64_t input_dim, std::int64_t output_dim, EmbeddingOptions options)
      : LayerBase("Embedding", options.name, options.dtype),
        input_dim_(input_dim),
        output_dim_(output_dim),
        options_(std::move(options)) {
    layers::require_positive(*this, "input_dim", input_dim_);
    layers::require_positive(*this, "output_dim", output_dim_);
    casts_inputs = false;  // an id above 256 is none in bfloat16
  }

  graph::Value build(layers::BuildContext& context, graph::Value x) override {
    const graph::Value table = context.weight({"embeddings",
                                               {input_dim_, output_dim_},
                                               options_.embeddings_initializer,
                                               options_.embeddings_regularizer});
    const graph::Value ids = x.dtype() == DType::int32 ? x : ops::to_float(x);
    const graph::Value y = ops::embedding(table, ids);
    layers::add_activity_loss(context, options_.activity_regularizer, y);
    return y;
  }

 private:
  const std::int64_t input_dim_, output_dim_;
  const EmbeddingOptions options_;
};

}  // namespace

Layer Embedding(std::int64_t input_dim, std::int64_t output_dim, EmbeddingOptions options) {
  return Layer(std::make_shared<EmbeddingLayer>(input_dim, output_dim, std::move(options)));
}

}  // namespace stoker

// Dense: y = activation(x kernel + bias) over the last axis.
#include "layers/fields.h"
#include "layers/registry.h"
#include "ops/common.h"

namespace stoker {
namespace {

struct DenseArguments {
  std::int64_t units = 0;
  DenseOptions options{};
};

void describe(Fields& fields, DenseArguments& dense) {
  layers::describe_common(fields, dense.options);
  fields.required("units", dense.units);
  layers::describe_kernel_and_bias(fields, dense.options);
  fields.never({"lora_rank", "quantization_config"});
}

class DenseLayer final : public layers::DescribedLayer<DenseArguments> {
 public:
  explicit DenseLayer(DenseArguments arguments) : DescribedLayer("Dense", std::move(arguments)) {
    supports_masking = true;
    layers::require_positive(*this, "units", units_);
  }

  graph::Value apply(layers::BuildContext& context, graph::Value x) override {
    const Shape in = x.shape();
    ops::require(in.rank() >= 2, *x.graph, "expected input of rank 2 or more, received ", in,
                 ". Put features on the last axis, after the batch");
    const std::int64_t features = in.back();
    const graph::Value kernel = context.weight({"kernel",
                                                {features, units_},
                                                options_.kernel_initializer,
                                                options_.kernel_regularizer,
                                                options_.kernel_constraint});

    // Every row along the last axis is one row of the product.
    x = context.to_compute(x);
    if (in.rank() > 2) x = ops::reshape(x, {rows_of(in), features});
    graph::Value y = ops::matmul(x, kernel);
    if (options_.use_bias) {
      y = ops::add(y, context.weight({"bias",
                                      {units_},
                                      options_.bias_initializer,
                                      options_.bias_regularizer,
                                      options_.bias_constraint}));
    }
    y = layers::activate(y, options_.activation);
    Shape out = in;
    out[out.rank() - 1] = y.shape().back();  // This is units, or half of them after glu.
    y = ops::reshape(y, out);
    layers::add_activity_loss(context, options_.activity_regularizer, y);
    return y;
  }

 private:
  static std::int64_t rows_of(const Shape& shape) {
    std::int64_t rows = 1;
    for (std::size_t axis = 0; axis + 1 < shape.rank(); ++axis) {
      if (shape[axis] < 0) return Shape::kUnknown;
      rows *= shape[axis];
    }
    return rows;
  }

  const std::int64_t units_ = arguments_.units;
  const DenseOptions& options_ = arguments_.options;
};

}  // namespace

Layer Dense(std::int64_t units, DenseOptions options) {
  return Layer(std::make_shared<DenseLayer>(DenseArguments{units, std::move(options)}));
}

Layer layers::make_Dense(Fields& fields) {
  return Layer(std::make_shared<DenseLayer>(fields.all<DenseArguments>()));
}

}  // namespace stoker

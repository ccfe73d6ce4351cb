// UpSampling1D, 2D and 3D: each step, pixel or voxel several times, or what lies between them.
#include <vector>

#include "layers/fields.h"
#include "layers/registry.h"
#include "layers/reshaping/repeat.h"
#include "layers/reshaping/spatial.h"
#include "ops/common.h"
#include "stoker/error.h"

namespace stoker {
namespace {

using graph::Value;

// Checks the factors, and that the extents fit into numbers.
void require_factors(const layers::LayerBase& layer, const std::vector<std::int64_t>& factors) {
  for (const std::int64_t factor : factors) layers::require_along_axis(layer, "size", factor);
}

struct UpSampling1DArguments {
  std::int64_t size = 2;
  NameOptions options{};
};

void describe(Fields& fields, UpSampling1DArguments& arguments) {
  layers::describe_common(fields, arguments.options);
  fields("size", arguments.size);
}

class UpSampling1DLayer final : public layers::DescribedLayer<UpSampling1DArguments> {
 public:
  explicit UpSampling1DLayer(UpSampling1DArguments arguments)
      : DescribedLayer("UpSampling1D", std::move(arguments)) {
    require_factors(*this, {arguments_.size});
  }

  Value apply(layers::BuildContext&, Value x) override {
    layers::require_rank(x, 3, layers::layout_advice(1));
    return layers::repeat(x, {arguments_.size});
  }
};

struct UpSampling2DArguments {
  Size2D size = 2;
  UpSampling2DOptions options{};
};

void describe(Fields& fields, UpSampling2DArguments& arguments) {
  layers::describe_common(fields, arguments.options);
  fields("size", arguments.size);
  fields.always("data_format", "channels_last");
  fields("interpolation", arguments.options.interpolation);
}

class UpSampling2DLayer final : public layers::DescribedLayer<UpSampling2DArguments> {
 public:
  explicit UpSampling2DLayer(UpSampling2DArguments arguments)
      : DescribedLayer("UpSampling2D", std::move(arguments)) {
    require_factors(*this, {arguments_.size.height, arguments_.size.width});
    const std::string& name = arguments_.options.interpolation;
    if (name != "nearest" && name != "bilinear") {
      throw ValueError(format(label(), ": expected interpolation \"nearest\" or \"bilinear\", ",
                              "received \"", name, "\""));
    }
  }

  Value apply(layers::BuildContext& context, Value x) override {
    layers::require_rank(x, 4, layers::layout_advice(2));
    const Size2D& size = arguments_.size;
    if (arguments_.options.interpolation == "nearest") {
      return layers::repeat(x, {size.height, size.width});
    }
    x = context.to_compute(x);
    const Shape shape = x.shape();
    x = ops::resize(x, 1, shape[1] * size.height, true);
    return ops::resize(x, 2, shape[2] * size.width, true);
  }
};

struct UpSampling3DArguments {
  Size3D size = 2;
  NameOptions options{};
};

void describe(Fields& fields, UpSampling3DArguments& arguments) {
  layers::describe_common(fields, arguments.options);
  fields("size", arguments.size);
  fields.always("data_format", "channels_last");
}

class UpSampling3DLayer final : public layers::DescribedLayer<UpSampling3DArguments> {
 public:
  explicit UpSampling3DLayer(UpSampling3DArguments arguments)
      : DescribedLayer("UpSampling3D", std::move(arguments)) {
    require_factors(*this, factors());
  }

  Value apply(layers::BuildContext&, Value x) override {
    layers::require_rank(x, 5, layers::layout_advice(3));
    return layers::repeat(x, factors());
  }

 private:
  std::vector<std::int64_t> factors() const {
    return {arguments_.size.depth, arguments_.size.height, arguments_.size.width};
  }
};

}  // namespace

Layer UpSampling1D(std::int64_t size, NameOptions options) {
  return Layer(
      std::make_shared<UpSampling1DLayer>(UpSampling1DArguments{size, std::move(options)}));
}
Layer UpSampling2D(Size2D size, UpSampling2DOptions options) {
  return Layer(
      std::make_shared<UpSampling2DLayer>(UpSampling2DArguments{size, std::move(options)}));
}
Layer UpSampling3D(Size3D size, NameOptions options) {
  return Layer(
      std::make_shared<UpSampling3DLayer>(UpSampling3DArguments{size, std::move(options)}));
}

Layer layers::make_UpSampling1D(Fields& fields) {
  return Layer(std::make_shared<UpSampling1DLayer>(fields.all<UpSampling1DArguments>()));
}
Layer layers::make_UpSampling2D(Fields& fields) {
  return Layer(std::make_shared<UpSampling2DLayer>(fields.all<UpSampling2DArguments>()));
}
Layer layers::make_UpSampling3D(Fields& fields) {
  return Layer(std::make_shared<UpSampling3DLayer>(fields.all<UpSampling3DArguments>()));
}

}  // namespace stoker

// Reshape: the elements of each sample in another shape.
#include <algorithm>

#include "layers/fields.h"
#include "layers/registry.h"
#include "ops/common.h"
#include "stoker/error.h"

namespace stoker {
namespace {

struct ReshapeArguments {
  Shape target_shape{};
  NameOptions options{};
};

void describe(Fields& fields, ReshapeArguments& reshape) {
  layers::describe_common(fields, reshape.options);
  // Here -1 is an extent that the layer infers, so it is written as -1 instead of null.
  std::vector<std::int64_t> extents(reshape.target_shape.begin(), reshape.target_shape.end());
  fields.required("target_shape", extents);
  reshape.target_shape = Shape(extents);
}

class ReshapeLayer final : public layers::DescribedLayer<ReshapeArguments> {
 public:
  explicit ReshapeLayer(ReshapeArguments arguments)
      : DescribedLayer("Reshape", std::move(arguments)) {
    const Shape& target_shape = target_shape_;
    const auto inferred = std::count(target_shape.begin(), target_shape.end(), Shape::kUnknown);
    const bool has_zero = std::count(target_shape.begin(), target_shape.end(), 0) > 0;
    if (inferred > 1 || has_zero) {
      throw ValueError(format(label(),
                              ": expected extents of 1 or more, at most one of them -1, "
                              "received ",
                              target_shape));
    }
  }

  graph::Value apply(layers::BuildContext&, graph::Value x) override {
    const std::int64_t elements = x.shape().without_batch().elements();
    Shape target = target_shape_;
    Shape known;  // The product of the known extents is checked for overflow.
    std::int64_t* inferred = nullptr;
    for (std::size_t axis = 0; axis < target.rank(); ++axis) {
      if (target[axis] < 0) {
        inferred = &target[axis];
      } else {
        known.push_back(target[axis]);
      }
    }
    const std::int64_t given = known.elements();
    const bool fits = inferred != nullptr ? elements % given == 0 : elements == given;
    ops::require(fits, *x.graph, "the ", elements, " elements of a sample of ", x.shape(),
                 " do not fit target_shape ", target_shape_, ", which takes ",
                 inferred != nullptr ? "a multiple of " : "", given);
    if (inferred != nullptr) *inferred = elements / given;
    return ops::reshape(x, target.with_batch(x.shape()[0]));
  }

 private:
  const Shape& target_shape_ = arguments_.target_shape;  // The shape is without the batch.
};

}  // namespace

Layer Reshape(Shape target_shape, NameOptions options) {
  return Layer(std::make_shared<ReshapeLayer>(ReshapeArguments{target_shape, std::move(options)}));
}

Layer layers::make_Reshape(Fields& fields) {
  return Layer(std::make_shared<ReshapeLayer>(fields.all<ReshapeArguments>()));
}

}  // namespace stoker

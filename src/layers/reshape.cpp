// Reshape: the elements of each sample in another shape.
#include <algorithm>

#include "layers/layer.h"
#include "ops/common.h"
#include "stoker/error.h"

namespace stoker {
namespace {

class ReshapeLayer final : public layers::LayerBase {
 public:
  ReshapeLayer(Shape target_shape, NameOptions options)
      : LayerBase("Reshape", options.name, options.dtype), target_shape_(target_shape) {
    const auto inferred = std::count(target_shape.begin(), target_shape.end(), Shape::kUnknown);
    const bool has_zero = std::count(target_shape.begin(), target_shape.end(), 0) > 0;
    if (inferred > 1 || has_zero) {
      throw ValueError(format(label(),
                              ": expected extents of 1 or more, at most one of them -1, "
                              "received ",
                              target_shape));
    }
  }

  graph::Value build(layers::BuildContext&, graph::Value x) override {
    const std::int64_t elements = x.shape().without_batch().elements();
    Shape target = target_shape_;
    std::int64_t given = 1;
    std::int64_t* inferred = nullptr;
    for (std::size_t axis = 0; axis < target.rank(); ++axis) {
      if (target[axis] < 0) {
        inferred = &target[axis];
      } else {
        given *= target[axis];
      }
    }
    const bool fits = inferred != nullptr ? elements % given == 0 : elements == given;
    ops::require(fits, *x.graph, "the ", elements, " elements of a sample of ", x.shape(),
                 " do not fit target_shape ", target_shape_, ", which takes ",
                 inferred != nullptr ? "a multiple of " : "", given);
    if (inferred != nullptr) *inferred = elements / given;
    return ops::reshape(x, target.with_batch(x.shape()[0]));
  }

 private:
  const Shape target_shape_;  // without the batch
};

}  // namespace

Layer Reshape(Shape target_shape, NameOptions options) {
  return Layer(std::make_shared<ReshapeLayer>(target_shape, std::move(options)));
}

}  // namespace stoker

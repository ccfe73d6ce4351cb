#include "layers/volumes.h"

#include "ops/common.h"

namespace stoker::layers {

std::string text_of(const Triple& triple) {
  return format("(", triple[0], ", ", triple[1], ", ", triple[2], ")");
}

void require_along_axes(const LayerBase& layer, const char* what, const Triple& triple) {
  for (const std::int64_t number : triple) require_along_axis(layer, what, number);
}

VolumePadding padding_of(graph::Value x, Padding padding, const Triple& reach,
                         const Triple& strides, const std::string& window, const char* advice) {
  VolumePadding result;
  for (std::size_t d = 0; d < 3; ++d) {
    const std::int64_t extent = x.shape()[d + 1];
    if (padding == Padding::same) {
      const auto both = same_padding(extent, reach[d], strides[d]);
      result.before[d] = both[0];
      result.after[d] = both[1];
    } else {
      ops::require(extent >= reach[d], *x.graph, window, " does not fit input ", x.shape(),
                   ". Use a smaller ", advice, ", or padding = \"same\"");
    }
  }
  return result;
}

graph::Value as_images(graph::Value volumes) {
  const Shape& shape = volumes.shape();
  const std::int64_t images = shape[0] < 0 ? Shape::kUnknown : shape[0] * shape[1];
  return ops::reshape(volumes, {images, shape[2], shape[3], shape[4]});
}

graph::Value as_volumes(graph::Value images, std::int64_t depth) {
  const Shape& shape = images.shape();
  const std::int64_t volumes = shape[0] < 0 ? Shape::kUnknown : shape[0] / depth;
  return ops::reshape(images, {volumes, depth, shape[1], shape[2], shape[3]});
}

graph::Value plane_of(graph::Value kernel, std::int64_t depth) {
  const Shape shape = kernel.shape();
  return ops::reshape(ops::slice(kernel, 0, depth, 1), {shape[1], shape[2], shape[3], shape[4]});
}

}  // namespace stoker::layers

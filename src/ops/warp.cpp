// warp takes each pixel of an image from another place of it: rotated, moved, scaled, flipped.
#include "ops/common.h"

namespace stoker::ops {
namespace {

// Transforms have no gradient.
std::vector<Value> gradient(Graph& graph, NodeId id, std::span<const Value> dy) {
  const Node node = graph.node(id);
  const Value transforms{&graph, node.inputs[1]};
  const Value dx = graph.append(warp_backward_op, {dy[0], transforms}, node.attributes,
                                {graph.info(node.inputs[0]).type})[0];
  return {dx, Value{}};
}

std::string_view name_of(WarpFill fill) {
  switch (fill) {
    case WarpFill::constant:
      return "constant";
    case WarpFill::nearest:
      return "nearest";
    case WarpFill::wrap:
      return "wrap";
    case WarpFill::reflect:
      break;
  }
  return "reflect";
}

}  // namespace

const Op warp_op =
    define("warp", OpIndex::warp, gradient,
           {.takes_any_dtype = false, .writes_scalars = false, .multiply_adds = nullptr});
const Op warp_backward_op = define_without_gradient(
    "warp_backward", OpIndex::warp_backward, "second derivatives are not offered",
    {.takes_any_dtype = false, .writes_scalars = false, .multiply_adds = nullptr});

std::string WarpAttributes::text() const {
  return format("to ", height, " x ", width, is_linear ? " linear, " : " nearest, ", name_of(fill),
                " around");
}

Value warp(Value images, Value transforms, WarpAttributes attributes) {
  Graph& graph = *images.graph;
  Shape shape = images.shape();
  constexpr std::int64_t kMost = 1 << 24;  // The largest number up to which float32 counts.
  require(shape.rank() == 4 && is_floating(images.dtype()), graph,
          "warp: expected floating images (batch, height, width, channels), received ",
          images.dtype(), " ", shape);
  require(transforms.shape() == Shape({shape[0], 8}) && transforms.dtype() == DType::float32, graph,
          "warp: expected float32 transforms (batch, 8) for images ", shape, ", received ",
          transforms.dtype(), " ", transforms.shape());
  for (const std::int64_t extent : {shape[1], shape[2], attributes.height, attributes.width}) {
    require(extent >= 1 && extent <= kMost, graph, "warp: expected extents from 1 to ", kMost,
            ", received ", extent);
  }
  shape[1] = attributes.height;
  shape[2] = attributes.width;
  return graph.append(warp_op, {images, transforms}, share(std::move(attributes)),
                      {{images.dtype(), shape}})[0];
}

}  // namespace stoker::ops

#include "layers/windows.h"

#include "ops/common.h"
#include "stoker/error.h"

namespace stoker {

layers::Length FieldType<layers::Length>::read(const Config& config) {
  if (config.is_number()) return {config.integer()};
  if (!config.is_list() || config.size() != 1) {
    throw ValueError(
        format("expected one number, alone or in a list, received ", config.described()));
  }
  return {config.at(0).integer()};
}

Config FieldType<layers::Length>::write(const layers::Length& value) {
  return Config::list({value.extent});
}

namespace layers {

void describe_size(Fields& fields, const char* name, std::int64_t& size) {
  Length length{size};
  fields(name, length);
  size = length.extent;
}

void describe_size(Fields& fields, const char* name, std::optional<std::int64_t>& size) {
  std::optional<Length> length;
  if (size) length = Length{*size};
  fields(name, length);
  size.reset();
  if (length) size = length->extent;
}

void describe_required_size(Fields& fields, const char* name, std::int64_t& size) {
  Length length{size};
  fields.required(name, length);
  size = length.extent;
}

graph::Value as_image(graph::Value x) {
  const Shape& shape = x.shape();
  if (shape.rank() != 3) return x;
  return ops::reshape(x, {shape[0], 1, shape[1], shape[2]});
}

graph::Value image_kernel(graph::Value kernel) {
  const Shape& shape = kernel.shape();
  if (shape.rank() != 3) return kernel;
  return ops::reshape(kernel, {1, shape[0], shape[1], shape[2]});
}

void set_padding(graph::Value x, Padding padding, const Pair& reach, const Pair& strides,
                 Pair& before, Pair& after, const std::string& window, const char* advice) {
  // A sequence has no axis of height.
  const std::size_t first = 4 - x.shape().rank();
  for (std::size_t d = first; d < 2; ++d) {
    const std::int64_t extent = x.shape()[d + 1 - first];
    if (padding == Padding::same) {
      const auto both = same_padding(extent, reach[d], strides[d]);
      before[d] = both[0];
      after[d] = both[1];
    } else if (padding == Padding::causal) {
      before[d] = reach[d] - 1;
    } else {
      ops::require(extent >= reach[d], *x.graph, window, " does not fit input ", x.shape(),
                   ". Use a smaller ", advice, ", or padding = \"same\"");
    }
  }
}

}  // namespace layers
}  // namespace stoker

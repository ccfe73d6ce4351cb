// AdaptiveAveragePooling and AdaptiveMaxPooling: windows of such a size that the result has a given
// one. Element i of n along an axis of m is made of those from floor(i m / n) to ceil((i + 1) m /
// n).
#include <utility>
#include <vector>

#include "layers/fields.h"
#include "layers/registry.h"
#include "layers/volumes.h"
#include "layers/windows.h"
#include "ops/common.h"

namespace stoker {
namespace {

using graph::Value;

std::vector<std::int64_t> numbers_of(std::int64_t size) { return {size}; }
std::vector<std::int64_t> numbers_of(const Size2D& size) { return {size.height, size.width}; }
std::vector<std::int64_t> numbers_of(const Size3D& size) {
  return {size.depth, size.height, size.width};
}

template <class Size>
struct AdaptiveArguments {
  Size output_size = 1;
  NameOptions options{};
};

template <class Size>
void describe(Fields& fields, AdaptiveArguments<Size>& pooling) {
  layers::describe_common(fields, pooling.options);
  layers::describe_required_size(fields, "output_size", pooling.output_size);
  fields.always("data_format", "channels_last");
}

Value reduced(Value x, std::int64_t axis, bool is_max, bool keeps_axis) {
  return is_max ? ops::reduce(ops::ReduceKind::max, x, {axis}, keeps_axis)
                : ops::reduce_mean(x, {axis}, keeps_axis);
}

// The windows of an axis lie together where the extent is a multiple of their number, and overlap
// otherwise.
Value pooled(Value x, std::int64_t axis, std::int64_t count, bool is_max) {
  const Shape shape = x.shape();
  const std::int64_t extent = shape[static_cast<std::size_t>(axis)];
  if (extent == count) return x;
  if (extent % count == 0) {
    Shape split;
    for (std::size_t d = 0; d < shape.rank(); ++d) {
      if (static_cast<std::int64_t>(d) == axis) {
        split.push_back(count);
        split.push_back(extent / count);
      } else {
        split.push_back(shape[d]);
      }
    }
    return reduced(ops::reshape(x, split), axis + 1, is_max, false);
  }
  std::vector<Value> parts;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t begin = i * extent / count;
    const std::int64_t end = ((i + 1) * extent + count - 1) / count;
    parts.push_back(reduced(ops::slice(x, axis, begin, end - begin), axis, is_max, true));
  }
  return ops::concatenate(std::move(parts), axis);
}

template <class Size>
class AdaptiveLayer final : public layers::DescribedLayer<AdaptiveArguments<Size>> {
 public:
  AdaptiveLayer(const char* class_name, bool is_max, AdaptiveArguments<Size> arguments)
      : layers::DescribedLayer<AdaptiveArguments<Size>>(class_name, std::move(arguments)),
        is_max_(is_max),
        counts_(numbers_of(this->arguments_.output_size)) {
    for (const std::int64_t count : counts_) {
      layers::require_along_axis(*this, "output_size", count);
    }
  }

  Value apply(layers::BuildContext& context, Value x) override {
    layers::require_rank(x, counts_.size() + 2, "The batch stands first, and channels last");
    x = context.to_compute(x);
    for (std::size_t d = 0; d < counts_.size(); ++d) {
      ops::require(x.shape()[d + 1] >= 1, *x.graph,
                   "expected an input that is not empty, received ", x.shape());
      x = pooled(x, static_cast<std::int64_t>(d) + 1, counts_[d], is_max_);
    }
    return x;
  }

 private:
  const bool is_max_;
  const std::vector<std::int64_t> counts_;
};

template <class Size>
Layer average(const char* class_name, AdaptiveArguments<Size> arguments) {
  return Layer(std::make_shared<AdaptiveLayer<Size>>(class_name, false, std::move(arguments)));
}
template <class Size>
Layer maximum(const char* class_name, AdaptiveArguments<Size> arguments) {
  return Layer(std::make_shared<AdaptiveLayer<Size>>(class_name, true, std::move(arguments)));
}

}  // namespace

Layer AdaptiveAveragePooling1D(std::int64_t output_size, NameOptions options) {
  return average<std::int64_t>("AdaptiveAveragePooling1D", {output_size, std::move(options)});
}
Layer AdaptiveAveragePooling2D(Size2D output_size, NameOptions options) {
  return average<Size2D>("AdaptiveAveragePooling2D", {output_size, std::move(options)});
}
Layer AdaptiveAveragePooling3D(Size3D output_size, NameOptions options) {
  return average<Size3D>("AdaptiveAveragePooling3D", {output_size, std::move(options)});
}
Layer AdaptiveMaxPooling1D(std::int64_t output_size, NameOptions options) {
  return maximum<std::int64_t>("AdaptiveMaxPooling1D", {output_size, std::move(options)});
}
Layer AdaptiveMaxPooling2D(Size2D output_size, NameOptions options) {
  return maximum<Size2D>("AdaptiveMaxPooling2D", {output_size, std::move(options)});
}
Layer AdaptiveMaxPooling3D(Size3D output_size, NameOptions options) {
  return maximum<Size3D>("AdaptiveMaxPooling3D", {output_size, std::move(options)});
}

namespace layers {

Layer make_AdaptiveAveragePooling1D(Fields& fields) {
  return average("AdaptiveAveragePooling1D", fields.all<AdaptiveArguments<std::int64_t>>());
}
Layer make_AdaptiveAveragePooling2D(Fields& fields) {
  return average("AdaptiveAveragePooling2D", fields.all<AdaptiveArguments<Size2D>>());
}
Layer make_AdaptiveAveragePooling3D(Fields& fields) {
  return average("AdaptiveAveragePooling3D", fields.all<AdaptiveArguments<Size3D>>());
}
Layer make_AdaptiveMaxPooling1D(Fields& fields) {
  return maximum("AdaptiveMaxPooling1D", fields.all<AdaptiveArguments<std::int64_t>>());
}
Layer make_AdaptiveMaxPooling2D(Fields& fields) {
  return maximum("AdaptiveMaxPooling2D", fields.all<AdaptiveArguments<Size2D>>());
}
Layer make_AdaptiveMaxPooling3D(Fields& fields) {
  return maximum("AdaptiveMaxPooling3D", fields.all<AdaptiveArguments<Size3D>>());
}

}  // namespace layers
}  // namespace stoker

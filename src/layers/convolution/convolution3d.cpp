// Conv3D and Conv3DTranspose over volumes (batch, depth, height, width, channels).
#include <algorithm>
#include <utility>

#include "layers/convolution/base.h"
#include "layers/convolution/spatial.h"
#include "layers/registry.h"
#include "layers/volumes.h"

namespace stoker {
namespace {

using graph::Value;
using layers::Padding;
using layers::Triple;

template <class Options>
struct VolumeArguments {
  std::int64_t filters = 0;
  Size3D kernel_size = 1;
  Options options{};
};
using Conv3DArguments = VolumeArguments<Conv3DOptions>;
using Conv3DTransposeArguments = VolumeArguments<Conv3DTransposeOptions>;

template <class Options>
void describe(Fields& fields, VolumeArguments<Options>& conv) {
  layers::describe_common(fields, conv.options);
  fields.required("filters", conv.filters);
  layers::describe_windows(fields, conv.kernel_size, conv.options);
  if constexpr (requires { conv.options.groups; }) fields("groups", conv.options.groups);
  layers::describe_kernel_and_bias(fields, conv.options);
}

template <class Options>
class VolumeLayer : public layers::DescribedLayer<VolumeArguments<Options>> {
 protected:
  VolumeLayer(const char* class_name, VolumeArguments<Options> arguments)
      : layers::DescribedLayer<VolumeArguments<Options>>(class_name, std::move(arguments)),
        kernel_size_(layers::triple(this->arguments_.kernel_size)),
        strides_(layers::triple(options().strides)),
        dilations_(layers::triple(options().dilation_rate)),
        padding_(layers::parse_padding(*this, options().padding)) {
    layers::require_positive(*this, "filters", filters_);
    layers::require_along_axes(*this, "kernel_size", kernel_size_);
    layers::require_along_axes(*this, "strides", strides_);
    layers::require_along_axes(*this, "dilation_rate", dilations_);
    if (is_above_1(strides_) && is_above_1(dilations_)) {
      throw ValueError(format(this->label(),
                              ": expected strides or dilation_rate above 1, not both "
                              "(as Keras), received strides ",
                              layers::text_of(strides_), " and dilation_rate ",
                              layers::text_of(dilations_)));
    }
  }

  static bool is_above_1(const Triple& triple) {
    return std::ranges::any_of(triple, [](std::int64_t number) { return number > 1; });
  }
  const Options& options() const { return this->arguments_.options; }
  Triple reach() const {
    Triple reach;
    for (std::size_t d = 0; d < 3; ++d) reach[d] = (kernel_size_[d] - 1) * dilations_[d] + 1;
    return reach;
  }
  Value kernel(layers::BuildContext& context, std::int64_t from, std::int64_t to) const {
    return context.weight({"kernel",
                           {kernel_size_[0], kernel_size_[1], kernel_size_[2], from, to},
                           options().kernel_initializer,
                           options().kernel_regularizer,
                           options().kernel_constraint});
  }
  Value finish(layers::BuildContext& context, Value y) const {
    if (options().use_bias) {
      y = ops::add(y, context.weight({"bias",
                                      {y.shape().back()},
                                      options().bias_initializer,
                                      options().bias_regularizer,
                                      options().bias_constraint}));
    }
    y = layers::activate(y, options().activation);
    layers::add_activity_loss(context, options().activity_regularizer, y);
    return y;
  }

  const std::int64_t filters_ = this->arguments_.filters;
  const Triple kernel_size_, strides_, dilations_;
  const Padding padding_;
};

class Conv3DLayer final : public VolumeLayer<Conv3DOptions> {
 public:
  explicit Conv3DLayer(Conv3DArguments arguments) : VolumeLayer("Conv3D", std::move(arguments)) {
    layers::require_positive(*this, "groups", options().groups);
    if (filters_ % options().groups != 0) {
      throw ValueError(format(label(), ": expected filters divisible by groups, received ",
                              filters_, " filters and ", options().groups, " groups"));
    }
  }

  Value apply(layers::BuildContext& context, Value x) override {
    layers::require_rank(x, 5, "Volumes are (batch, depth, height, width, channels)");
    const std::int64_t channels = x.shape()[4], groups = options().groups;
    ops::require(channels % groups == 0, *x.graph, "expected channels divisible by ", groups,
                 " groups, received ", x.shape());
    const Value kernel = this->kernel(context, channels / groups, filters_);
    return finish(context, layers::convolve(context.to_compute(x), kernel,
                                            {list_of(kernel_size_), list_of(strides_),
                                             list_of(dilations_), padding_, groups}));
  }

 private:
  static std::vector<std::int64_t> list_of(const Triple& triple) {
    return {triple.begin(), triple.end()};
  }
};

// The gradient of a Conv3D; see Conv2DTranspose, whose rules for sizes these are.
class Conv3DTransposeLayer final : public VolumeLayer<Conv3DTransposeOptions> {
 public:
  explicit Conv3DTransposeLayer(Conv3DTransposeArguments arguments)
      : VolumeLayer("Conv3DTranspose", std::move(arguments)) {
    if (!options().output_padding) return;
    output_padding_ = layers::triple(*options().output_padding);
    for (std::size_t d = 0; d < 3; ++d) {
      const std::int64_t padding = (*output_padding_)[d];
      if (padding >= 0 && padding < strides_[d]) continue;
      throw ValueError(format(label(),
                              ": expected output_padding of 0 or more and below the strides, "
                              "received ",
                              layers::text_of(*output_padding_), " and strides ",
                              layers::text_of(strides_)));
    }
  }

  Value apply(layers::BuildContext& context, Value x) override {
    layers::require_rank(x, 5, "Volumes are (batch, depth, height, width, channels)");
    const Value kernel = this->kernel(context, filters_, x.shape()[4]);
    Triple extents, cut;
    const Triple reach = this->reach();
    for (std::size_t d = 0; d < 3; ++d) {
      extents[d] = layers::transposed_extent(
          x.shape()[d + 1], reach[d], strides_[d], padding_,
          output_padding_ ? std::optional((*output_padding_)[d]) : std::nullopt);
      ops::require(extents[d] > 0, *x.graph, "nothing is left of input ", x.shape(),
                   " with output_padding ", layers::text_of(output_padding_.value_or(Triple{})));
      const std::int64_t spanned = (x.shape()[d + 1] - 1) * strides_[d] + reach[d];
      cut[d] = std::max<std::int64_t>(spanned - extents[d], 0);
    }
    ops::Conv2DAttributes attributes;
    attributes.strides = {strides_[1], strides_[2]};
    attributes.dilations = {dilations_[1], dilations_[2]};
    attributes.padding_before = {cut[1] / 2, cut[2] / 2};
    attributes.padding_after = {cut[1] - cut[1] / 2, cut[2] - cut[2] / 2};

    const Value images = layers::as_images(context.to_compute(x));
    const Shape result{images.shape()[0], extents[1], extents[2], filters_};
    const std::int64_t depth = x.shape()[1];
    const std::int64_t last = (kernel_size_[0] - 1) * dilations_[0];
    Value sum;
    for (std::int64_t plane = 0; plane < kernel_size_[0]; ++plane) {
      const Value part =
          ops::conv2d_backward_data(images, layers::plane_of(kernel, plane), result, attributes);
      const Value apart = spread(layers::as_volumes(part, depth));
      const std::int64_t before = plane * dilations_[0];
      const Value placed = ops::pad(apart, {0, before, 0, 0, 0}, {0, last - before, 0, 0, 0});
      sum = sum ? ops::add(sum, placed) : placed;
    }
    const std::int64_t missing = cut[0] / 2 + extents[0] - sum.shape()[1];
    if (missing > 0) sum = ops::pad(sum, {0, 0, 0, 0, 0}, {0, missing, 0, 0, 0});
    return finish(context, ops::slice(sum, 1, cut[0] / 2, extents[0]));
  }

 private:
  // Puts depths a stride apart, with zeros between them.
  Value spread(Value volumes) const {
    const std::int64_t stride = strides_[0];
    if (stride == 1) return volumes;
    const Shape s = volumes.shape();
    const Value split = ops::reshape(volumes, {s[0], s[1], 1, s[2], s[3], s[4]});
    return ops::reshape(ops::pad(split, {0, 0, 0, 0, 0, 0}, {0, 0, stride - 1, 0, 0, 0}),
                        {s[0], s[1] * stride, s[2], s[3], s[4]});
  }

  std::optional<Triple> output_padding_;
};

}  // namespace

Layer Conv3D(std::int64_t filters, Size3D kernel_size, Conv3DOptions options) {
  return Layer(
      std::make_shared<Conv3DLayer>(Conv3DArguments{filters, kernel_size, std::move(options)}));
}
Layer Conv3DTranspose(std::int64_t filters, Size3D kernel_size, Conv3DTransposeOptions options) {
  return Layer(std::make_shared<Conv3DTransposeLayer>(
      Conv3DTransposeArguments{filters, kernel_size, std::move(options)}));
}

Layer layers::make_Conv3D(Fields& fields) {
  return Layer(std::make_shared<Conv3DLayer>(fields.all<Conv3DArguments>()));
}
Layer layers::make_Conv3DTranspose(Fields& fields) {
  return Layer(std::make_shared<Conv3DTransposeLayer>(fields.all<Conv3DTransposeArguments>()));
}

}  // namespace stoker

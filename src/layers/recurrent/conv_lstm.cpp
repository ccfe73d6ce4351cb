// ConvLSTM2D (Shi et al. 2015): an LSTM whose products are convolutions. All gates are computed by
// one convolution of the input, for all steps at once, and one of the state.
#include "core/check.h"
#include "layers/recurrent/gated_cell.h"
#include "layers/recurrent/recurrent_layer.h"
#include "layers/registry.h"
#include "layers/windows.h"
#include "ops/common.h"
#include "stoker/error.h"

namespace stoker {
namespace layers {
namespace {

using graph::Value;

// The arguments beside those of all recurrent layers.
struct ConvLSTMArguments {
  std::int64_t filters = 0;
  Size2D kernel_size = 1;
  ConvLSTM2DOptions options{};
};

void describe(Fields& fields, ConvLSTMArguments& arguments) {
  ConvLSTM2DOptions& o = arguments.options;
  fields.required("filters", arguments.filters);
  fields.required("kernel_size", arguments.kernel_size);
  fields("strides", o.strides);
  fields("padding", o.padding);
  fields.always("data_format", "channels_last");
  fields("dilation_rate", o.dilation_rate);
  fields("activation", o.activation);
  fields("recurrent_activation", o.recurrent_activation);
  fields("use_bias", o.use_bias);
  fields("kernel_initializer", o.kernel_initializer);
  fields("recurrent_initializer", o.recurrent_initializer);
  fields("bias_initializer", o.bias_initializer);
  fields("unit_forget_bias", o.unit_forget_bias);
  fields("kernel_regularizer", o.kernel_regularizer);
  fields("recurrent_regularizer", o.recurrent_regularizer);
  fields("bias_regularizer", o.bias_regularizer);
  fields("kernel_constraint", o.kernel_constraint);
  fields("recurrent_constraint", o.recurrent_constraint);
  fields("bias_constraint", o.bias_constraint);
  fields("dropout", o.dropout);
  fields("recurrent_dropout", o.recurrent_dropout);
  fields("seed", o.seed);
}

class ConvLSTMCell final : public CellLayer {
 public:
  // Messages of the constructor name the layer that the cell belongs to.
  ConvLSTMCell(ConvLSTMArguments arguments, const std::string& label)
      : CellLayer("ConvLSTMCell", "conv_lstm_cell", arguments.options.dtype),
        arguments_(std::move(arguments)),
        padding_(parse_padding(*this, options_.padding)) {
    check::require(label, "filters", arguments_.filters, check::at_least(1));
    check::require(label, "a dropout", options_.dropout, check::half_open(0, 1));
    check::require(label, "a recurrent_dropout", options_.recurrent_dropout,
                   check::half_open(0, 1));
    const auto is_large = [](const Pair& pair) { return pair[0] > 1 || pair[1] > 1; };
    for (const auto& [what, pair] :
         {std::pair{"kernel_size", kernel_}, std::pair{"strides", strides_},
          std::pair{"dilation_rate", dilations_}}) {
      for (const std::int64_t extent : pair) {
        check::require(label, what, extent, check::half_open(1, 0x1p31));
      }
    }
    if (is_large(strides_) && is_large(dilations_)) {
      throw ValueError(format(label,
                              ": expected strides or dilation_rate above 1, not both (as "
                              "Keras), received strides ",
                              text_of<Size2D>(strides_), " and dilation_rate ",
                              text_of<Size2D>(dilations_)));
    }
  }

  void write_fields(Fields& fields) const override {
    ConvLSTMArguments copy = arguments_;
    describe(fields, copy);
  }

  std::size_t state_count() const override { return 2; }

  std::vector<Shape> state_shapes(Value x) const override {
    const Shape& s = x.shape();
    ops::require(s.rank() == 5, *x.graph,
                 "expected a sequence of images (batch, steps, height, width, channels), received ",
                 s);
    const ops::Conv2DAttributes a = attributes_for(ops::reshape(x, images_of(s)));
    Shape state{s[0], 0, 0, arguments_.filters};
    for (std::size_t d = 0; d < 2; ++d) {
      const std::int64_t reach = (kernel_[d] - 1) * dilations_[d] + 1;
      const std::int64_t padded = s[d + 2] + a.padding_before[d] + a.padding_after[d];
      state[d + 1] = (padded - reach) / strides_[d] + 1;
    }
    return {state, state};
  }

  Step begin(BuildContext& context, Value& x) override {
    const Shape in = x.shape();
    const std::int64_t filters = arguments_.filters, columns = 4 * filters;
    const Value kernel = context.weight({"kernel",
                                         {kernel_[0], kernel_[1], in[4], columns},
                                         options_.kernel_initializer,
                                         options_.kernel_regularizer,
                                         options_.kernel_constraint});
    const Value recurrent = context.weight({"recurrent_kernel",
                                            {kernel_[0], kernel_[1], filters, columns},
                                            options_.recurrent_initializer,
                                            options_.recurrent_regularizer,
                                            options_.recurrent_constraint});
    if (context.training() && options_.dropout > 0.0) {
      const Value mask = shared_dropout(context, options_.seed, {in[0], 1, in[2], in[3], in[4]},
                                        options_.dropout, 0);
      x = ops::cast(ops::multiply(x, mask), x.dtype());
    }
    x = ops::reshape(x, images_of(in));
    Value y = ops::conv2d(x, kernel, attributes_for(x));
    if (options_.use_bias) {
      WeightSpec bias{"bias",
                      {columns},
                      options_.bias_initializer,
                      options_.bias_regularizer,
                      options_.bias_constraint};
      if (options_.unit_forget_bias) bias.ones = {.first = filters, .count = filters};
      y = ops::add(y, context.weight(bias));
    }
    x = ops::reshape(y, {in[0], in[1], y.shape()[1], y.shape()[2], columns});

    const bool drops = context.training() && options_.recurrent_dropout > 0.0;
    std::vector<Value> masks, kernels;
    for (std::uint32_t gate = 0; gate < 4 && drops; ++gate) {
      masks.push_back(shared_dropout(context, options_.seed,
                                     {in[0], x.shape()[2], x.shape()[3], filters},
                                     options_.recurrent_dropout, 1 + gate));
    }
    if (drops) kernels = ops::split(recurrent, 3, 4);
    return [=, this](Value of_x, const States& before) {
      std::vector<Value> sums = ops::split(of_x, 3, 4);
      if (drops) {
        for (std::size_t gate = 0; gate < 4; ++gate) {
          const Value state = ops::cast(ops::multiply(before[0], masks[gate]), before[0].dtype());
          sums[gate] = ops::add(sums[gate], convolve_state(state, kernels[gate]));
        }
      } else {
        sums = ops::split(ops::add(of_x, convolve_state(before[0], recurrent)), 3, 4);
      }
      return step(sums, before[1]);
    };
  }

 private:
  // All steps' images as one batch.
  static Shape images_of(const Shape& x) {
    return {x[0] < 0 ? Shape::kUnknown : x[0] * x[1], x[2], x[3], x[4]};
  }
  ops::Conv2DAttributes attributes_for(Value images) const {
    ops::Conv2DAttributes attributes;
    attributes.strides = strides_;
    attributes.dilations = dilations_;
    const Pair reach{(kernel_[0] - 1) * dilations_[0] + 1, (kernel_[1] - 1) * dilations_[1] + 1};
    set_padding(images, padding_, reach, strides_, attributes.padding_before,
                attributes.padding_after, format("kernel ", text_of<Size2D>(kernel_)), "kernel");
    return attributes;
  }
  // The state keeps its size.
  Value convolve_state(Value state, Value kernel) const {
    ops::Conv2DAttributes attributes;
    set_padding(state, Padding::same, kernel_, {1, 1}, attributes.padding_before,
                attributes.padding_after, format("kernel ", text_of<Size2D>(kernel_)), "kernel");
    return ops::conv2d(state, kernel, attributes);
  }

  States step(const std::vector<Value>& sums, Value cell_before) const {
    const auto gate = [&](std::size_t g) {
      return activate(sums[g], options_.recurrent_activation);
    };
    const Value candidate = activate(sums[2], options_.activation);
    const Value cell =
        ops::add(ops::multiply(gate(1), cell_before), ops::multiply(gate(0), candidate));
    return {ops::multiply(gate(3), activate(cell, options_.activation)), cell};
  }

  const ConvLSTMArguments arguments_;
  const ConvLSTM2DOptions& options_ = arguments_.options;
  const Pair kernel_ = Axes<Size2D>::pair(arguments_.kernel_size);
  const Pair strides_ = Axes<Size2D>::pair(options_.strides);
  const Pair dilations_ = Axes<Size2D>::pair(options_.dilation_rate);
  const Padding padding_;
};

Layer conv_lstm(RecurrentOptions options, ConvLSTMArguments arguments) {
  const std::string label =
      options.name.empty() ? "ConvLSTM2D" : format("ConvLSTM2D \"", options.name, "\"");
  auto cell = std::make_shared<ConvLSTMCell>(arguments, label);
  const auto write_cell = [arguments](Fields& fields) {
    ConvLSTMArguments copy = arguments;
    describe(fields, copy);
  };
  return Layer(std::make_shared<RecurrentLayer>("ConvLSTM2D", std::move(options), std::move(cell),
                                                write_cell));
}

}  // namespace

Layer make_ConvLSTM2D(Fields& fields) {
  RecurrentOptions options;
  ConvLSTMArguments arguments;
  describe(fields, options);
  describe(fields, arguments);
  fields.finish();
  arguments.options.dtype = options.dtype;
  return conv_lstm(std::move(options), std::move(arguments));
}

}  // namespace layers

Layer ConvLSTM2D(std::int64_t filters, Size2D kernel_size, ConvLSTM2DOptions options) {
  layers::RecurrentOptions recurrent = layers::recurrent_options(options);
  return layers::conv_lstm(std::move(recurrent), {filters, kernel_size, std::move(options)});
}

}  // namespace stoker

// ConvLSTM1D, ConvLSTM2D and ConvLSTM3D (Shi et al. 2015): an LSTM whose products are convolutions.
// All gates are computed by one convolution of the input, for all steps at once, and one of the
// state.
#include "core/check.h"
#include "layers/convolution/spatial.h"
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
template <class Size>
struct ConvLSTMArguments {
  std::int64_t filters = 0;
  Size kernel_size = 1;
  ConvLSTMOptions<Size> options{};
};

// What differs by the number of spatial axes.
template <class Size>
struct Spatial;
template <>
struct Spatial<std::int64_t> {
  static constexpr const char* kClass = "ConvLSTM1D";
  static constexpr const char* kInput = "sequences (batch, steps, width, channels)";
  static std::vector<std::int64_t> list(std::int64_t size) { return {size}; }
};
template <>
struct Spatial<Size2D> {
  static constexpr const char* kClass = "ConvLSTM2D";
  static constexpr const char* kInput = "images (batch, steps, height, width, channels)";
  static std::vector<std::int64_t> list(const Size2D& size) { return {size.height, size.width}; }
};
template <>
struct Spatial<Size3D> {
  static constexpr const char* kClass = "ConvLSTM3D";
  static constexpr const char* kInput = "volumes (batch, steps, depth, height, width, channels)";
  static std::vector<std::int64_t> list(const Size3D& size) {
    return {size.depth, size.height, size.width};
  }
};

template <class Size>
void describe(Fields& fields, ConvLSTMArguments<Size>& arguments) {
  ConvLSTMOptions<Size>& o = arguments.options;
  fields.required("filters", arguments.filters);
  describe_required_size(fields, "kernel_size", arguments.kernel_size);
  describe_size(fields, "strides", o.strides);
  fields("padding", o.padding);
  fields.always("data_format", "channels_last");
  describe_size(fields, "dilation_rate", o.dilation_rate);
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

template <class Size>
class ConvLSTMCell final : public CellLayer {
 public:
  // Messages of the constructor name the layer that the cell belongs to.
  ConvLSTMCell(ConvLSTMArguments<Size> arguments, const std::string& label)
      : CellLayer("ConvLSTMCell", "conv_lstm_cell", arguments.options.dtype),
        arguments_(std::move(arguments)) {
    check::require(label, "filters", arguments_.filters, check::at_least(1));
    check::require(label, "a dropout", options_.dropout, check::half_open(0, 1));
    check::require(label, "a recurrent_dropout", options_.recurrent_dropout,
                   check::half_open(0, 1));
    for (const auto& [what, extents] :
         {std::pair{"kernel_size", &of_input_.kernel}, std::pair{"strides", &of_input_.strides},
          std::pair{"dilation_rate", &of_input_.dilations}}) {
      for (const std::int64_t extent : *extents) {
        check::require(label, what, extent, check::half_open(1, 0x1p31));
      }
    }
    if (is_any_above_1(of_input_.strides) && is_any_above_1(of_input_.dilations)) {
      throw ValueError(format(label,
                              ": expected strides or dilation_rate above 1, not both (as "
                              "Keras), received strides ",
                              text_of(of_input_.strides), " and dilation_rate ",
                              text_of(of_input_.dilations)));
    }
    // The state keeps its size.
    const std::vector<std::int64_t> ones(of_input_.kernel.size(), 1);
    of_state_ = {of_input_.kernel, ones, ones, Padding::same};
  }

  void write_fields(Fields& fields) const override {
    ConvLSTMArguments<Size> copy = arguments_;
    describe(fields, copy);
  }

  std::size_t state_count() const override { return 2; }

  std::vector<Shape> state_shapes(Value x) const override {
    const Shape& s = x.shape();
    ops::require(s.rank() == of_input_.kernel.size() + 3, *x.graph, "expected a sequence of ",
                 Spatial<Size>::kInput, ", received ", s);
    Shape state{s[0]};
    for (const std::int64_t extent : convolved_extents(frames_of(x), of_input_)) {
      state.push_back(extent);
    }
    state.push_back(arguments_.filters);
    return {state, state};
  }

  Step begin(BuildContext& context, Value& x) override {
    const Shape in = x.shape();
    const std::int64_t filters = arguments_.filters, columns = 4 * filters;
    const Value kernel =
        context.weight({"kernel", kernel_shape(in.back(), columns), options_.kernel_initializer,
                        options_.kernel_regularizer, options_.kernel_constraint});
    const Value recurrent = context.weight(
        {"recurrent_kernel", kernel_shape(filters, columns), options_.recurrent_initializer,
         options_.recurrent_regularizer, options_.recurrent_constraint});
    if (context.training() && options_.dropout > 0.0) {
      Shape one_step = in;
      one_step[1] = 1;
      const Value mask = shared_dropout(context, options_.seed, one_step, options_.dropout, 0);
      x = ops::cast(ops::multiply(x, mask), x.dtype());
    }
    Value y = convolve(frames_of(x), kernel, of_input_);
    if (options_.use_bias) {
      WeightSpec bias{"bias",
                      {columns},
                      options_.bias_initializer,
                      options_.bias_regularizer,
                      options_.bias_constraint};
      if (options_.unit_forget_bias) bias.ones = {.first = filters, .count = filters};
      y = ops::add(y, context.weight(bias));
    }
    Shape sums{in[0], in[1]}, state{in[0]};
    for (std::size_t axis = 1; axis < y.shape().rank(); ++axis) sums.push_back(y.shape()[axis]);
    for (std::size_t axis = 2; axis + 1 < sums.rank(); ++axis) state.push_back(sums[axis]);
    state.push_back(filters);
    x = ops::reshape(y, sums);
    const auto channels = static_cast<std::int64_t>(state.rank()) - 1;

    const bool drops = context.training() && options_.recurrent_dropout > 0.0;
    std::vector<Value> masks, kernels;
    for (std::uint32_t gate = 0; gate < 4 && drops; ++gate) {
      masks.push_back(
          shared_dropout(context, options_.seed, state, options_.recurrent_dropout, 1 + gate));
    }
    if (drops) kernels = ops::split(recurrent, channels, 4);
    return [=, this](Value of_x, const States& before) {
      std::vector<Value> sums = ops::split(of_x, channels, 4);
      if (drops) {
        for (std::size_t gate = 0; gate < 4; ++gate) {
          const Value state = ops::cast(ops::multiply(before[0], masks[gate]), before[0].dtype());
          sums[gate] = ops::add(sums[gate], convolve(state, kernels[gate], of_state_));
        }
      } else {
        sums = ops::split(ops::add(of_x, convolve(before[0], recurrent, of_state_)), channels, 4);
      }
      return step(sums, before[1]);
    };
  }

 private:
  // All steps as one batch.
  static Value frames_of(Value x) {
    const Shape& s = x.shape();
    Shape frames{s[0] < 0 ? Shape::kUnknown : s[0] * s[1]};
    for (std::size_t axis = 2; axis < s.rank(); ++axis) frames.push_back(s[axis]);
    return ops::reshape(x, frames);
  }
  Shape kernel_shape(std::int64_t from, std::int64_t to) const {
    Shape shape(of_input_.kernel);
    shape.push_back(from);
    shape.push_back(to);
    return shape;
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

  const ConvLSTMArguments<Size> arguments_;
  const ConvLSTMOptions<Size>& options_ = arguments_.options;
  const SpatialWindows of_input_{
      Spatial<Size>::list(arguments_.kernel_size), Spatial<Size>::list(options_.strides),
      Spatial<Size>::list(options_.dilation_rate), parse_padding(*this, options_.padding)};
  SpatialWindows of_state_;
};

template <class Size>
Layer conv_lstm(RecurrentOptions options, ConvLSTMArguments<Size> arguments) {
  const char* const name = Spatial<Size>::kClass;
  const std::string label = options.name.empty() ? name : format(name, " \"", options.name, "\"");
  auto cell = std::make_shared<ConvLSTMCell<Size>>(arguments, label);
  const auto write_cell = [arguments](Fields& fields) {
    ConvLSTMArguments<Size> copy = arguments;
    describe(fields, copy);
  };
  return Layer(
      std::make_shared<RecurrentLayer>(name, std::move(options), std::move(cell), write_cell));
}

template <class Size>
Layer conv_lstm(std::int64_t filters, Size kernel_size, ConvLSTMOptions<Size> options) {
  RecurrentOptions recurrent = recurrent_options(options);
  return conv_lstm<Size>(std::move(recurrent), {filters, kernel_size, std::move(options)});
}

template <class Size>
Layer conv_lstm(Fields& fields) {
  RecurrentOptions options;
  ConvLSTMArguments<Size> arguments;
  describe(fields, options);
  describe(fields, arguments);
  fields.finish();
  arguments.options.dtype = options.dtype;
  return conv_lstm(std::move(options), std::move(arguments));
}

}  // namespace

Layer make_ConvLSTM1D(Fields& fields) { return conv_lstm<std::int64_t>(fields); }
Layer make_ConvLSTM2D(Fields& fields) { return conv_lstm<Size2D>(fields); }
Layer make_ConvLSTM3D(Fields& fields) { return conv_lstm<Size3D>(fields); }

}  // namespace layers

Layer ConvLSTM1D(std::int64_t filters, std::int64_t kernel_size, ConvLSTM1DOptions options) {
  return layers::conv_lstm(filters, kernel_size, std::move(options));
}
Layer ConvLSTM2D(std::int64_t filters, Size2D kernel_size, ConvLSTM2DOptions options) {
  return layers::conv_lstm(filters, kernel_size, std::move(options));
}
Layer ConvLSTM3D(std::int64_t filters, Size3D kernel_size, ConvLSTM3DOptions options) {
  return layers::conv_lstm(filters, kernel_size, std::move(options));
}

}  // namespace stoker

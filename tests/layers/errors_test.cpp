// What layers say to configurations and inputs that cannot be: the place, what was expected, what
// was received, and where it helps what to do.
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "layers/layer.h"
#include "stoker/error.h"
#include "support/message.h"

namespace stoker {
namespace {

using test::message_of;

struct ShapeErrorCase {
  Layer layer;
  Shape input;  // without the batch
  const char* message;
};

TEST(LayerErrors, name_the_layer_and_the_shapes) {
  const std::vector<ShapeErrorCase> cases{
      {Dense(10, {.name = "logits"}),
       {},
       "Dense \"logits\": expected input of rank 2 or more, received (None,). Put features on the "
       "last axis, after the batch"},
      {Conv2D(8, 3, {.name = "c"}),
       {28, 28},
       "Conv2D \"c\": expected input of rank 4, received (None, 28, 28). Images are (batch, "
       "height, "
       "width, channels)"},
      {Conv2D(8, 3, {.name = "c"}),
       {2, 9, 1},
       "Conv2D \"c\": kernel (3, 3) does not fit input (None, 2, 9, 1). Use a smaller kernel, or "
       "padding = \"same\""},
      {Conv2D(8, 3, {.dilation_rate = 4, .name = "c"}),
       {9, 8, 1},
       "Conv2D \"c\": kernel (3, 3) dilated by (4, 4) does not fit input (None, 9, 8, 1). Use a "
       "smaller kernel, or padding = \"same\""},
      {Conv2D(8, 3, {.groups = 4}),
       {9, 9, 6},
       "Conv2D: expected channels divisible by 4 groups, received (None, 9, 9, 6)"},
      {Conv1D(8, 3, {.name = "c"}),
       {28, 28, 1},
       "Conv1D \"c\": expected input of rank 3, received (None, 28, 28, 1). Sequences are (batch, "
       "steps, features)"},
      {Conv1D(8, 3, {.dilation_rate = 4, .name = "c"}),
       {8, 2},
       "Conv1D \"c\": kernel 3 dilated by 4 does not fit input (None, 8, 2). Use a smaller kernel, "
       "or padding = \"same\""},
      {DepthwiseConv2D({3, 5}),
       {9, 4, 6},
       "DepthwiseConv2D: kernel (3, 5) does not fit input (None, 9, 4, 6). Use a smaller kernel, "
       "or "
       "padding = \"same\""},
      {SeparableConv1D(2, 4),
       {3, 6},
       "SeparableConv1D: kernel 4 does not fit input (None, 3, 6). Use a smaller kernel, or "
       "padding "
       "= \"same\""},
      {Conv2DTranspose(
           2, {3, 4},
           {.strides = 2, .padding = "same", .output_padding = Size2D(1, 0), .name = "up"}),
       {3, 1, 6},
       "Conv2DTranspose \"up\": nothing is left of input (None, 3, 1, 6) with output_padding (1, "
       "0)"},
      {MaxPooling1D(3, {.name = "pool"}),
       {2, 8},
       "MaxPooling1D \"pool\": window 3 does not fit input (None, 2, 8). Use a smaller window, or "
       "padding = \"same\""},
      {AveragePooling1D(2),
       {2},
       "AveragePooling1D: expected input of rank 3, received (None, 2). Sequences are (batch, "
       "steps, features)"},
      {MaxPooling2D(3, {.name = "pool"}),
       {2, 2, 8},
       "MaxPooling2D \"pool\": window (3, 3) does not fit input (None, 2, 2, 8). Use a smaller "
       "window, or padding = \"same\""},
      {AveragePooling2D({1, 5}),
       {4, 4, 8},
       "AveragePooling2D: window (1, 5) does not fit input (None, 4, 4, 8). Use a smaller window, "
       "or padding = \"same\""},
      {GlobalAveragePooling2D(),
       {4, 8},
       "GlobalAveragePooling2D: expected input of rank 4, received (None, 4, 8). Images are "
       "(batch, "
       "height, width, channels)"},
      {Reshape({5, 2}),
       {3, 4},
       "Reshape: the 12 elements of a sample of (None, 3, 4) do not fit target_shape (5, 2), which "
       "takes 10"},
      {Reshape({5, -1}),
       {3, 4},
       "Reshape: the 12 elements of a sample of (None, 3, 4) do not fit target_shape (5, None), "
       "which takes a multiple of 5"},
      {BatchNormalization({.axis = 3, .name = "bn"}),
       {4},
       "BatchNormalization \"bn\": axis 3 is none of input (None, 4) after the batch"},
      {BatchNormalization({.axis = 0}),
       {4},
       "BatchNormalization: axis 0 is none of input (None, 4) after the batch"},
      {Dropout(0.5, {.noise_shape = {-1, 2, 4}}),
       {3, 4},
       "Dropout: noise_shape (None, 2, 4) does not fit input (None, 3, 4). Each extent is 1, -1 or "
       "the input's, and the batch stands first"},
      {Activation("glu"),
       {5},
       "Activation: glu: expected an even last extent, to halve it, received (None, 5)"},
      {Softmax({.axis = 0}), {4}, "Softmax: axis 0 is none of input (None, 4) after the batch"},
      {Softmax({.axis = {1, -1}, .name = "s"}),
       {4},
       "Softmax \"s\": axis 1 of input (None, 4) is named twice"},
      {LayerNormalization({.axis = 2}),
       {4},
       "LayerNormalization: axis 2 is none of input (None, 4) after the batch"},
      {GroupNormalization({.name = "g"}),
       {4, 6},
       "GroupNormalization \"g\": expected channels divisible by 32 groups along axis -1, received "
       "(None, 4, 6)"},
      {Normalization({.mean = {1, 2}, .variance = {1}}),
       {3},
       "Normalization: expected one number, or one for each of 3 places along the last of its "
       "axes, "
       "received 2 for input (None, 3)"},
      {Permute({2, 1}),
       {4},
       "Permute: expected input of rank 3, received (None, 4). Its dims name each axis after the "
       "batch"},
      {RepeatVector(2),
       {4, 5},
       "RepeatVector: expected input of rank 2, received (None, 4, 5). Vectors are (batch, "
       "features)"},
      {Cropping2D({{0, 1}, {2, 2}}),
       {4, 4, 1},
       "Cropping2D: cropping 2 and 2 leave nothing of axis 2 of input (None, 4, 4, 1)"},
      {ZeroPadding3D(),
       {4, 4, 1},
       "ZeroPadding3D: expected input of rank 5, received (None, 4, 4, 1). Volumes are (batch, "
       "depth, height, width, channels)"},
      {GlobalMaxPooling1D(),
       {4},
       "GlobalMaxPooling1D: expected input of rank 3, received (None, 4). Sequences are (batch, "
       "steps, channels)"},
      {PReLU({.shared_axes = {3}, .name = "p"}),
       {4, 5},
       "PReLU \"p\": shared axis 3 is none of input (None, 4, 5) after the batch"},
      {SpatialDropout1D(0.5),
       {4},
       "SpatialDropout1D: expected input of rank 3, received (None, 4). Sequences are (batch, "
       "steps, channels)"},
      {Activation("softmax"),
       {},
       "Activation: softmax: expected a batch and an axis to look along, received (None,)"},
  };
  for (const ShapeErrorCase& test : cases) {
    EXPECT_EQ(message_of<ShapeError>([&] { test.layer(Input(test.input)); }), test.message);
  }
}

struct MergeErrorCase {
  Layer layer;
  std::vector<Shape> inputs;  // without the batch
  const char* message;
};

TEST(LayerErrors, name_the_shapes_that_do_not_merge) {
  const std::vector<MergeErrorCase> cases{
      {Add({.name = "sum"}),
       {{3, 4}},
       "Add \"sum\": expected a list of two or more inputs, received 1. Call it with {a, b}"},
      {Concatenate(),
       {},
       "Concatenate: expected a list of two or more inputs, received 0. Call it with {a, b}"},
      {Subtract(), {{3}, {3}, {3}}, "Subtract: expected two inputs, received 3"},
      {Multiply({.name = "m"}),
       {{3, 4}, {3, 5}},
       "Multiply \"m\": shapes (None, 3, 4) and (None, 3, 5) do not broadcast"},
      {Concatenate(-1, {.name = "c"}),
       {{3, 4}, {2, 4}},
       "Concatenate \"c\": expected inputs whose shapes differ only along axis -1, received "
       "(None, 3, 4) and (None, 2, 4)"},
      {Concatenate(3, {.name = "c"}),
       {{3, 4}, {3, 4}},
       "Concatenate \"c\": axis 3 is none of (None, 3, 4)"},
      {Concatenate(-4), {{3, 4}, {3, 4}}, "Concatenate: axis -4 is none of (None, 3, 4)"},
      {Concatenate(0),
       {{3, 4}, {3, 4}},
       "Concatenate: axis 0 of (None, 3, 4) is the batch, which layers leave as it is"},
      {Dot(1, {.name = "d"}),
       {{3, 4}},
       "Dot \"d\": expected a list of two inputs, received 1. Call it with {a, b}"},
      {Dot({2, 1}),
       {{3, 4}, {5, 4}},
       "Dot: expected equal extents along axis 2 of (None, 3, 4) and axis 1 of (None, 5, 4)"},
      {Dot(0), {{3}, {3}}, "Dot: axis 0 is none of input (None, 3) after the batch"},
      {Dense(1, {.name = "d"}), {{3}, {3}}, "Dense \"d\": expected one input, received 2"},
  };
  for (const MergeErrorCase& test : cases) {
    std::vector<Value> inputs;
    for (const Shape& shape : test.inputs) inputs.push_back(Input(shape));
    EXPECT_EQ(message_of<ShapeError>([&] { test.layer(inputs); }), test.message);
  }
}

struct ValueErrorCase {
  std::function<void()> make;
  const char* message;
};

TEST(LayerErrors, name_the_option_that_is_out_of_range) {
  const std::vector<ValueErrorCase> cases{
      {[] { Dense(0, {.name = "d"}); }, "Dense \"d\": expected units of 1 or more, received 0"},
      {[] { LeakyReLU({.negative_slope = -0.1, .name = "l"}); },
       "LeakyReLU \"l\": expected a negative_slope of 0 or more, received -0.1"},
      {[] { PReLU({.shared_axes = {0}}); }, "PReLU: expected shared axes of 1 or more, received 0"},
      {[] { LayerNormalization({.epsilon = 0.0}); },
       "LayerNormalization: expected an epsilon above 0, received 0"},
      {[] { GroupNormalization({.groups = 0}); },
       "GroupNormalization: expected groups of 1 or more, received 0"},
      {[] {
         Permute({1, 3}, {.name = "p"});
       },
       "Permute \"p\": expected dims that name each axis after the batch once, from 1 to at most "
       "7, "
       "received [1, 3]"},
      {[] { Normalization({.mean = {1}, .name = "n"}); },
       "Normalization \"n\": expected mean and variance, or neither, received a mean alone"},
      {[] { Normalization({.mean = {1}, .variance = {-1}}); },
       "Normalization: expected variances of 0 or more, received -1"},
      {[] { RepeatVector(0); }, "RepeatVector: expected n of 1 or more, received 0"},
      {[] {
         Cropping1D({1, -1});
       },
       "Cropping1D: expected cropping in [0, 2147483648), received -1"},
      {[] { ZeroPadding2D(-1); },
       "ZeroPadding2D: expected padding in [0, 2147483648), received -1"},
      {[] { UpSampling1D(0); }, "UpSampling1D: expected size of 1 or more, received 0"},
      {[] { UpSampling2D(2, {.interpolation = "bicubic"}); },
       "UpSampling2D: expected interpolation \"nearest\" or \"bilinear\", received \"bicubic\""},
      {[] {
         Dot({1, 2, 3});
       },
       "Dot: expected one axis for both inputs, or one for each, received 3 axes"},
      {[] { Resizing(0, 3); }, "Resizing: expected height of 1 or more, received 0"},
      {[] { Resizing(2, 3, {.crop_to_aspect_ratio = true, .pad_to_aspect_ratio = true}); },
       "Resizing: expected crop_to_aspect_ratio or pad_to_aspect_ratio, received both"},
      {[] { CenterCrop(2, -3); }, "CenterCrop: expected width of 1 or more, received -3"},
      {[] { GaussianNoise(1.5); }, "GaussianNoise: expected a stddev in [0, 1], received 1.5"},
      {[] { GaussianDropout(1.0); }, "GaussianDropout: expected a rate in [0, 1), received 1"},
      {[] { AlphaDropout(-1.0); }, "AlphaDropout: expected a rate in [0, 1), received -1"},
      {[] { SpatialDropout2D(2.0); }, "SpatialDropout2D: expected a rate in [0, 1), received 2"},
      {[] { ActivityRegularization({.l2 = -1.0}); },
       "ActivityRegularization: expected an l2 of 0 or more, received -1"},
      {[] { Conv2D(-1, 3); }, "Conv2D: expected filters of 1 or more, received -1"},
      {[] {
         Conv2D(4, {3, 0});
       },
       "Conv2D: expected kernel_size of 1 or more, received 0"},
      {[] { Conv1D(0, 3); }, "Conv1D: expected filters of 1 or more, received 0"},
      {[] { Conv1D(4, 3, {.strides = 2, .dilation_rate = 2}); },
       "Conv1D: expected strides or dilation_rate above 1, not both (as Keras), received strides 2 "
       "and dilation_rate 2"},
      {[] { Conv1D(4, 3, {.padding = "full"}); },
       "Conv1D: expected padding \"valid\", \"same\" or \"causal\", received \"full\""},
      {[] { SeparableConv1D(4, 3, {.padding = "causal"}); },
       "SeparableConv1D: expected padding \"valid\" or \"same\", received \"causal\""},
      {[] { DepthwiseConv2D(3, {.depth_multiplier = 0}); },
       "DepthwiseConv2D: expected depth_multiplier of 1 or more, received 0"},
      {[] { Conv1DTranspose(4, 3, {.strides = 2, .output_padding = 2}); },
       "Conv1DTranspose: expected output_padding of 0 or more and below the strides, received 2 "
       "and "
       "strides 2"},
      {[] { Conv2DTranspose(4, 3, {.output_padding = Size2D(0, -1)}); },
       "Conv2DTranspose: expected output_padding of 0 or more and below the strides, received (0, "
       "-1) and strides (1, 1)"},
      {[] { MaxPooling1D(2, {.strides = 0}); },
       "MaxPooling1D: expected strides of 1 or more, received 0"},
      {[] { Conv2D(4, 3, {.strides = 0}); }, "Conv2D: expected strides of 1 or more, received 0"},
      {[] { Conv2D(4, 3, {.groups = 0}); }, "Conv2D: expected groups of 1 or more, received 0"},
      {[] { Conv2D(4, 3, {.groups = 3, .name = "c"}); },
       "Conv2D \"c\": expected filters divisible by groups, received 4 filters and 3 groups"},
      {[] { Conv2D(4, 3, {.strides = 2, .dilation_rate = 2}); },
       "Conv2D: expected strides or dilation_rate above 1, not both (as Keras), received strides "
       "(2, 2) and dilation_rate (2, 2)"},
      {[] { Conv2D(4, 3, {.padding = "full"}); },
       "Conv2D: expected padding \"valid\" or \"same\", received \"full\""},
      {[] { MaxPooling2D(0); }, "MaxPooling2D: expected pool_size of 1 or more, received 0"},
      {[] { AveragePooling2D(2, {.strides = -2}); },
       "AveragePooling2D: expected strides of 1 or more, received -2"},
      {[] { Embedding(0, 8); }, "Embedding: expected input_dim of 1 or more, received 0"},
      {[] { Embedding(100, -8, {.name = "e"}); },
       "Embedding \"e\": expected output_dim of 1 or more, received -8"},
      {[] { Dropout(1.0); }, "Dropout: expected a rate in [0, 1), received 1"},
      {[] { Dropout(-0.25); }, "Dropout: expected a rate in [0, 1), received -0.25"},
      {[] { BatchNormalization({.momentum = 1.5}); },
       "BatchNormalization: expected a momentum in [0, 1], received 1.5"},
      {[] { BatchNormalization({.epsilon = 0.0}); },
       "BatchNormalization: expected an epsilon above 0, received 0"},
      {[] {
         Reshape({-1, -1});
       },
       "Reshape: expected extents of 1 or more, at most one of them -1, received (None, None)"},
      {[] {
         Input({28, 0});
       },
       "InputLayer: expected extents of 1 or more, without the batch, received (28, 0)"},
      {[] {
         ActivationFunction("relu", {0.0, 6.0, 0.0, 1.0});
       },
       "ActivationFunction \"relu\": expected at most 3 parameters, received 4"},
      {[] { Dense(1)(Value()); },
       "Dense: expected a value made by Input() or by a layer, received an empty Value"},
      {[] { Layer layer = Dense(1)(Input({1})); },
       "Sequential: expected Input() or a layer, received the output of a layer; Model(inputs, "
       "outputs) takes those"},
      {[] { Layer(Input({1}))(Input({1})); },
       "InputLayer: an input takes no values; pass it to a layer"},
      {[] { Value().shape(); },
       "Value: expected one that Input() or a layer made, received an empty Value"},
  };
  for (const ValueErrorCase& test : cases) {
    EXPECT_EQ(message_of<ValueError>(test.make), test.message);
  }
}

TEST(LayerErrors, several_inputs_for_a_layer_of_one) {
  const Value x = Input({4});
  EXPECT_EQ(message_of<ShapeError>([&] {
              Dense(1, {.name = "d"})({x, x});
            }),
            "Dense \"d\": expected one input, received 2");
}

TEST(LayerErrors, an_unknown_dtype_of_an_input) {
  EXPECT_EQ(message_of<DTypeError>([] { Input({4}, {.dtype = "float64"}); }),
            "Input: expected dtype float32, int32 or uint8, received \"float64\"");
}

TEST(LayerErrors, an_unknown_activation_is_answered_with_those_there_are) {
  const std::string message = message_of<ValueError>([] { Dense(1, {.activation = "rellu"}); });
  EXPECT_EQ(
      message.rfind("ActivationFunction: there is none named \"rellu\"; known are linear, ", 0), 0u)
      << message;
}

}  // namespace
}  // namespace stoker

// What layers make of shapes, and which weights they declare, before anything runs.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "layers/layer.h"
#include "stoker/error.h"

namespace stoker {
namespace {

constexpr std::int64_t kNone = Shape::kUnknown;

struct Inferred {
  graph::ValueType output;
  std::vector<layers::WeightSpec> weights;
};

Inferred infer(const Layer& layer, Shape input, DType dtype = DType::float32) {
  const auto outputs = layers::infer(*layer.base(), {{{dtype, input}}});
  return {outputs.at(0).value, layer.base()->weights()};
}

struct ShapeCase {
  const char* name;
  Layer layer;
  Shape input;
  Shape output;
};

std::vector<ShapeCase> shape_cases() {
  const Shape image{kNone, 7, 9, 4};
  const Shape row{kNone, 6};
  const Shape sequence{kNone, 9, 4};
  return {
      {"dense", Dense(3), row, {kNone, 3}},
      {"dense_on_sequences", Dense(3), {kNone, 5, 6}, {kNone, 5, 3}},
      {"dense_on_images", Dense(3, {.activation = "softmax"}), image, {kNone, 7, 9, 3}},
      {"dense_with_glu", Dense(8, {.activation = "glu"}), {kNone, 5, 6}, {kNone, 5, 4}},
      {"dense_with_a_known_batch", Dense(3), {32, 5, 6}, {32, 5, 3}},
      {"conv2d_valid", Conv2D(8, 3), image, {kNone, 5, 7, 8}},
      {"conv2d_same", Conv2D(8, 3, {.padding = "same"}), image, {kNone, 7, 9, 8}},
      {"conv2d_same_in_capitals", Conv2D(8, 3, {.padding = "SAME"}), image, {kNone, 7, 9, 8}},
      {"conv2d_strided_valid", Conv2D(8, 3, {.strides = 2}), image, {kNone, 3, 4, 8}},
      {"conv2d_strided_same",
       Conv2D(8, {3, 2}, {.strides = {2, 4}, .padding = "same"}),
       image,
       {kNone, 4, 3, 8}},
      {"conv2d_dilated", Conv2D(8, 3, {.dilation_rate = {2, 3}}), image, {kNone, 3, 3, 8}},
      {"conv2d_dilated_same",
       Conv2D(8, 4, {.padding = "same", .dilation_rate = 2}),
       image,
       {kNone, 7, 9, 8}},
      {"conv2d_groups", Conv2D(6, 1, {.groups = 2}), image, {kNone, 7, 9, 6}},
      {"lstm", LSTM(5), sequence, {kNone, 5}},
      {"lstm_of_all_steps", LSTM(5, {.return_sequences = true}), sequence, {kNone, 9, 5}},
      {"lstm_backwards",
       LSTM(5, {.return_sequences = true, .go_backwards = true}),
       sequence,
       {kNone, 9, 5}},
      {"lstm_step_by_step",
       LSTM(5, {.activation = "softsign", .return_sequences = true}),
       sequence,
       {kNone, 9, 5}},
      {"gru", GRU(5), sequence, {kNone, 5}},
      {"gru_with_dropout",
       GRU(5, {.dropout = 0.5, .recurrent_dropout = 0.5}),
       sequence,
       {kNone, 5}},
      {"simple_rnn_with_a_known_batch", SimpleRNN(5), {32, 9, 4}, {32, 5}},
      {"rnn", RNN({LSTMCell(3), GRUCell(2)}, {.return_sequences = true}), sequence, {kNone, 9, 2}},
      {"bidirectional", Bidirectional(GRU(5)), sequence, {kNone, 10}},
      {"bidirectional_sum",
       Bidirectional(GRU(5, {.return_sequences = true}), {.merge_mode = "sum"}),
       sequence,
       {kNone, 9, 5}},
      {"time_distributed", TimeDistributed(Conv1D(8, 3)), {kNone, 5, 9, 4}, {kNone, 5, 7, 8}},
      {"conv_lstm1d",
       ConvLSTM1D(3, 3, {.padding = "same", .dilation_rate = 2}),
       {kNone, 5, 9, 2},
       {kNone, 9, 3}},
      {"conv_lstm3d",
       ConvLSTM3D(3, 2, {.strides = {1, 2, 1}, .return_sequences = true}),
       {kNone, 5, 4, 6, 3, 2},
       {kNone, 5, 3, 3, 2, 3}},
      {"spectral_normalization", SpectralNormalization(Conv1D(8, 3)), sequence, {kNone, 7, 8}},
      {"reversible_embedding", ReversibleEmbedding(9, 4), {kNone, 5}, {kNone, 5, 4}},
      {"conv_lstm2d",
       ConvLSTM2D(3, 3, {.strides = 2, .return_sequences = true}),
       {kNone, 5, 9, 8, 2},
       {kNone, 5, 4, 3, 3}},
      {"conv1d", Conv1D(8, 3), sequence, {kNone, 7, 8}},
      {"conv1d_causal",
       Conv1D(8, 3, {.padding = "Causal", .dilation_rate = 4}),
       sequence,
       {kNone, 9, 8}},
      {"conv1d_causal_strided",
       Conv1D(8, 3, {.strides = 2, .padding = "causal"}),
       sequence,
       {kNone, 5, 8}},
      {"conv1d_strided_same",
       Conv1D(8, 2, {.strides = 4, .padding = "same"}),
       sequence,
       {kNone, 3, 8}},
      {"conv1d_groups", Conv1D(8, 3, {.groups = 4}), sequence, {kNone, 7, 8}},
      {"conv1d_with_glu", Conv1D(8, 3, {.activation = "glu"}), sequence, {kNone, 7, 4}},
      {"conv1d_transpose", Conv1DTranspose(8, 3, {.strides = 2}), sequence, {kNone, 19, 8}},
      {"conv1d_transpose_of_a_large_stride",
       Conv1DTranspose(8, 3, {.strides = 5}),
       sequence,
       {kNone, 45, 8}},
      {"conv2d_transpose", Conv2DTranspose(8, 3), image, {kNone, 9, 11, 8}},
      {"conv2d_transpose_same",
       Conv2DTranspose(8, {2, 5}, {.strides = {2, 3}, .padding = "same"}),
       image,
       {kNone, 14, 27, 8}},
      {"conv2d_transpose_dilated",
       Conv2DTranspose(8, 3, {.dilation_rate = {2, 1}}),
       image,
       {kNone, 11, 11, 8}},
      {"conv2d_transpose_output_padding",
       Conv2DTranspose(8, {3, 4}, {.strides = 3, .output_padding = Size2D(2, 0)}),
       image,
       {kNone, 23, 28, 8}},
      {"conv2d_transpose_same_output_padding",
       Conv2DTranspose(8, {3, 4}, {.strides = 3, .padding = "same", .output_padding = 1}),
       image,
       {kNone, 20, 25, 8}},
      {"depthwise_conv1d", DepthwiseConv1D(3, {.depth_multiplier = 3}), sequence, {kNone, 7, 12}},
      {"depthwise_conv2d",
       DepthwiseConv2D(3, {.strides = 2, .padding = "same"}),
       image,
       {kNone, 4, 5, 4}},
      {"depthwise_conv2d_dilated",
       DepthwiseConv2D({3, 2}, {.depth_multiplier = 2, .dilation_rate = 3}),
       image,
       {kNone, 1, 6, 8}},
      {"separable_conv1d", SeparableConv1D(5, 3), sequence, {kNone, 7, 5}},
      {"separable_conv2d",
       SeparableConv2D(5, 3, {.padding = "same", .depth_multiplier = 2}),
       image,
       {kNone, 7, 9, 5}},
      {"max_pooling_of_sequences", MaxPooling1D(), sequence, {kNone, 4, 4}},
      {"max_pooling_of_sequences_same",
       MaxPooling1D(3, {.strides = 2, .padding = "same"}),
       sequence,
       {kNone, 5, 4}},
      {"average_pooling_of_sequences",
       AveragePooling1D(3, {.strides = 1}),
       sequence,
       {kNone, 7, 4}},
      {"max_pooling", MaxPooling2D(), image, {kNone, 3, 4, 4}},
      {"max_pooling_same", MaxPooling2D(2, {.padding = "same"}), image, {kNone, 4, 5, 4}},
      {"max_pooling_overlapping", MaxPooling2D(3, {.strides = 1}), image, {kNone, 5, 7, 4}},
      {"average_pooling", AveragePooling2D({2, 3}), image, {kNone, 3, 3, 4}},
      {"global_average_pooling", GlobalAveragePooling2D(), image, {kNone, 4}},
      {"global_average_pooling_keepdims",
       GlobalAveragePooling2D({.keepdims = true}),
       image,
       {kNone, 1, 1, 4}},
      {"flatten", Flatten(), image, {kNone, 252}},
      {"flatten_of_single_numbers", Flatten(), {kNone}, {kNone, 1}},
      {"reshape", Reshape({2, 3}), row, {kNone, 2, 3}},
      {"reshape_inferred", Reshape({-1, 2}), row, {kNone, 3, 2}},
      {"reshape_with_a_known_batch", Reshape({-1, 2}), {5, 6}, {5, 3, 2}},
      {"activation", Activation("relu"), image, image},
      {"activation_glu", Activation("glu"), image, {kNone, 7, 9, 2}},
      {"activation_sparsemax", Activation("sparsemax"), image, image},
      {"dropout", Dropout(0.5), image, image},
      {"dropout_noise_shape", Dropout(0.5, {.noise_shape = {-1, 1, 1, 4}}), image, image},
      {"batch_normalization", BatchNormalization(), image, image},
      {"batch_normalization_of_rows", BatchNormalization(), row, row},
      {"batch_normalization_axis_1", BatchNormalization({.axis = 1}), image, image},
      {"rescaling", Rescaling(1.0 / 255), image, image},
      {"softmax", Softmax(), image, image},
      {"softmax_along_an_axis", Softmax({.axis = 1}), image, image},
      {"softmax_along_axes", Softmax({.axis = {-1, 1}}), image, image},
      {"layer_normalization", LayerNormalization(), image, image},
      {"layer_normalization_of_axes", LayerNormalization({.axis = {1, -1}}), image, image},
      {"rms_normalization", RMSNormalization({.axis = 2}), image, image},
      {"group_normalization", GroupNormalization({.groups = 2}), image, image},
      {"group_normalization_of_rows", GroupNormalization({.groups = 3}), row, row},
      {"instance_normalization", GroupNormalization({.groups = -1, .axis = 1}), image, image},
      {"unit_normalization", UnitNormalization({.axis = {1, 2}}), image, image},
      {"permute", Permute({3, 1, 2}), image, {kNone, 4, 7, 9}},
      {"repeat_vector", RepeatVector(3), row, {kNone, 3, 6}},
      {"cropping_1d", Cropping1D(), {kNone, 5, 6}, {kNone, 3, 6}},
      {"cropping_2d", Cropping2D({{1, 2}, {3, 4}}), image, {kNone, 4, 2, 4}},
      {"cropping_2d_alike", Cropping2D({1, 2}), image, {kNone, 5, 5, 4}},
      {"cropping_3d", Cropping3D(), {kNone, 3, 4, 5, 6}, {kNone, 1, 2, 3, 6}},
      {"zero_padding_1d", ZeroPadding1D({0, 2}), {kNone, 5, 6}, {kNone, 7, 6}},
      {"zero_padding_2d", ZeroPadding2D(2), image, {kNone, 11, 13, 4}},
      {"zero_padding_3d", ZeroPadding3D({0, 1, {2, 0}}), {kNone, 3, 4, 5, 6}, {kNone, 3, 6, 7, 6}},
      {"up_sampling_1d", UpSampling1D(3), {kNone, 5, 6}, {kNone, 15, 6}},
      {"up_sampling_2d", UpSampling2D({2, 3}), image, {kNone, 14, 27, 4}},
      {"up_sampling_2d_bilinear",
       UpSampling2D({2, 3}, {.interpolation = "bilinear"}),
       image,
       {kNone, 14, 27, 4}},
      {"up_sampling_3d", UpSampling3D(), {kNone, 3, 4, 5, 6}, {kNone, 6, 8, 10, 6}},
      {"global_average_pooling_1d", GlobalAveragePooling1D(), {kNone, 5, 6}, {kNone, 6}},
      {"global_average_pooling_3d",
       GlobalAveragePooling3D({.keepdims = true}),
       {kNone, 3, 4, 5, 6},
       {kNone, 1, 1, 1, 6}},
      {"global_max_pooling_1d",
       GlobalMaxPooling1D({.keepdims = true}),
       {kNone, 5, 6},
       {kNone, 1, 6}},
      {"global_max_pooling_2d", GlobalMaxPooling2D(), image, {kNone, 4}},
      {"global_max_pooling_3d", GlobalMaxPooling3D(), {kNone, 3, 4, 5, 6}, {kNone, 6}},
      {"resizing", Resizing(3, 20), image, {kNone, 3, 20, 4}},
      {"resizing_padded", Resizing(3, 20, {.pad_to_aspect_ratio = true}), image, {kNone, 3, 20, 4}},
      {"center_crop", CenterCrop(3, 4), image, {kNone, 3, 4, 4}},
      {"center_crop_of_a_smaller_image", CenterCrop(3, 20), image, {kNone, 3, 20, 4}},
      {"relu_with_a_limit", ReLU({.max_value = 1.0}), image, image},
      {"leaky_relu", LeakyReLU(), image, image},
      {"elu", ELU(), row, row},
      {"prelu", PReLU(), image, image},
      {"prelu_of_single_numbers", PReLU(), {kNone}, {kNone}},
      {"identity", Identity(), image, image},
      {"activity_regularization", ActivityRegularization({.l1 = 1.0}), row, row},
      {"gaussian_noise", GaussianNoise(0.5), row, row},
      {"gaussian_dropout", GaussianDropout(0.5), row, row},
      {"alpha_dropout", AlphaDropout(0.5, {.noise_shape = {-1, 1}}), row, row},
      {"spatial_dropout_1d", SpatialDropout1D(0.5), {kNone, 5, 6}, {kNone, 5, 6}},
      {"spatial_dropout_2d", SpatialDropout2D(0.5), image, image},
      {"spatial_dropout_3d", SpatialDropout3D(0.5), {kNone, 2, 3, 4, 5}, {kNone, 2, 3, 4, 5}},
  };
}

TEST(LayerShapes, follow_keras) {
  for (const ShapeCase& test : shape_cases()) {
    EXPECT_EQ(to_string(infer(test.layer, test.input).output.shape), to_string(test.output))
        << test.name;
  }
}

Shape merged(const Layer& layer, std::vector<Shape> inputs) {
  std::vector<layers::FlowType> types;
  for (const Shape& shape : inputs) types.push_back({{DType::float32, shape}});
  return layers::infer(*layer.base(), types).at(0).value.shape;
}

TEST(LayerShapes, of_merged_values_broadcast_with_new_axes_behind_the_batch) {
  for (const Layer& layer : {Add(), Multiply(), Average(), Maximum(), Minimum(), Subtract()}) {
    EXPECT_EQ(merged(layer, {{kNone, 3, 4}, {kNone, 3, 4}}), (Shape{kNone, 3, 4}));
    EXPECT_EQ(merged(layer, {{kNone, 3, 1}, {kNone, 1, 4}}), (Shape{kNone, 3, 4}));
    EXPECT_EQ(merged(layer, {{kNone, 4}, {kNone, 2, 3, 4}}), (Shape{kNone, 2, 3, 4}));
    EXPECT_EQ(merged(layer, {{kNone, 2, 3, 1}, {kNone, 3, 4}}), (Shape{kNone, 2, 3, 4}));
  }
  EXPECT_EQ(merged(Add(), {{kNone, 4}, {kNone, 3, 1}, {kNone, 1, 1}}), (Shape{kNone, 3, 4}));
}

TEST(LayerShapes, embedding_puts_an_axis_behind_the_others) {
  const Layer layer = Embedding(100, 8);
  EXPECT_EQ(layer(Input({12}, {.dtype = "int32"})).shape(), (Shape{kNone, 12, 8}));
  EXPECT_EQ(layer(Input({}, {.dtype = "uint8"})).shape(), (Shape{kNone, 8}));
  EXPECT_EQ(layer(Input({3, 4})).shape(), (Shape{kNone, 3, 4, 8}));
}

TEST(LayerShapes, concatenate_adds_up_one_axis) {
  EXPECT_EQ(merged(Concatenate(), {{kNone, 3, 4}, {kNone, 3, 2}}), (Shape{kNone, 3, 6}));
  EXPECT_EQ(merged(Concatenate(1), {{kNone, 3, 4}, {kNone, 1, 4}, {kNone, 2, 4}}),
            (Shape{kNone, 6, 4}));
  EXPECT_EQ(merged(Concatenate(-2), {{32, 3, 4}, {32, 1, 4}}), (Shape{32, 4, 4}));
}

TEST(LayerShapes, dot_leaves_out_the_axes_that_it_sums_over) {
  EXPECT_EQ(merged(Dot(1), {{kNone, 5}, {kNone, 5}}), (Shape{kNone, 1}));
  EXPECT_EQ(merged(Dot({2, 1}), {{kNone, 3, 4}, {kNone, 4, 5}}), (Shape{kNone, 3, 5}));
  EXPECT_EQ(merged(Dot(-1), {{kNone, 3, 4}, {kNone, 4}}), (Shape{kNone, 3}));
  EXPECT_EQ(merged(Dot({1, 3}), {{kNone, 4, 3, 2}, {kNone, 5, 6, 4}}), (Shape{kNone, 3, 2, 5, 6}));
}

TEST(LayerShapes, arithmetic_gives_float32_whatever_the_batches_hold) {
  const Shape image{kNone, 4, 4, 2};
  const std::vector<Layer> layers{Dense(3),
                                  Conv2D(2, 3),
                                  MaxPooling2D(),
                                  AveragePooling2D(),
                                  GlobalAveragePooling2D(),
                                  Rescaling(1.0),
                                  Dropout(0.1),
                                  Activation("elu"),
                                  BatchNormalization(),
                                  Activation("linear")};
  for (const Layer& layer : layers) {
    for (const DType dtype : {DType::uint8, DType::int32}) {
      EXPECT_EQ(infer(layer, image, dtype).output.dtype, DType::float32)
          << layer.base()->class_name();
    }
  }
}

TEST(LayerShapes, views_keep_the_dtype) {
  EXPECT_EQ(infer(Flatten(), {kNone, 4, 4}, DType::uint8).output.dtype, DType::uint8);
  EXPECT_EQ(infer(Reshape({16}), {kNone, 4, 4}, DType::uint8).output.dtype, DType::uint8);
  EXPECT_EQ(infer(Permute({2, 1}), {kNone, 4, 4}, DType::uint8).output.dtype, DType::uint8);
  EXPECT_EQ(infer(RepeatVector(2), {kNone, 4}, DType::int32).output.dtype, DType::int32);
  EXPECT_EQ(infer(UpSampling2D(), {kNone, 4, 4, 1}, DType::uint8).output.dtype, DType::uint8);
  EXPECT_EQ(infer(ZeroPadding1D(), {kNone, 4, 4}, DType::int32).output.dtype, DType::int32);
  EXPECT_EQ(infer(Resizing(2, 3), {kNone, 4, 4, 1}, DType::uint8).output.dtype, DType::uint8);
  EXPECT_EQ(infer(CenterCrop(2, 3), {kNone, 4, 4, 1}, DType::uint8).output.dtype, DType::float32);
}

TEST(LayerShapes, frozen_batch_normalization_keeps_the_shape_too) {
  Layer layer = BatchNormalization({.axis = 2});
  layer.set_trainable(false);
  EXPECT_EQ(infer(layer, {kNone, 7, 9, 4}).output.shape, (Shape{kNone, 7, 9, 4}));
}

// "name shape" for each weight; "~" before those that are not trained.
std::vector<std::string> declared(const Layer& layer, Shape input) {
  std::vector<std::string> result;
  for (const auto& spec : infer(layer, input).weights) {
    result.push_back((spec.trainable ? "" : "~") + spec.name + " " + to_string(spec.shape));
  }
  return result;
}

using Names = std::vector<std::string>;

TEST(LayerWeights, dense_declares_kernel_and_bias) {
  EXPECT_EQ(declared(Dense(3), {kNone, 5, 6}), (Names{"kernel (6, 3)", "bias (3,)"}));
  EXPECT_EQ(declared(Dense(3, {.use_bias = false}), {kNone, 6}), Names{"kernel (6, 3)"});
}

TEST(LayerWeights, conv2d_declares_a_kernel_of_height_width_in_out) {
  EXPECT_EQ(declared(Conv2D(6, {2, 3}, {.groups = 2}), {kNone, 7, 9, 4}),
            (Names{"kernel (2, 3, 2, 6)", "bias (6,)"}));
  EXPECT_EQ(declared(Conv2D(6, 1, {.use_bias = false}), {kNone, 7, 9, 4}),
            Names{"kernel (1, 1, 4, 6)"});
}

TEST(LayerWeights, batch_normalization_declares_statistics_that_are_not_trained) {
  const Shape image{kNone, 7, 9, 4};
  EXPECT_EQ(declared(BatchNormalization(), image),
            (Names{"gamma (4,)", "beta (4,)", "~moving_mean (4,)", "~moving_variance (4,)"}));
  EXPECT_EQ(declared(BatchNormalization({.axis = 1, .center = false}), image),
            (Names{"gamma (7,)", "~moving_mean (7,)", "~moving_variance (7,)"}));
  EXPECT_EQ(declared(BatchNormalization({.scale = false}), image),
            (Names{"beta (4,)", "~moving_mean (4,)", "~moving_variance (4,)"}));
}

TEST(LayerWeights, prelu_declares_a_slope_for_each_place_that_is_not_shared) {
  EXPECT_EQ(declared(PReLU(), {kNone, 5, 6}), Names{"alpha (5, 6)"});
  EXPECT_EQ(declared(PReLU({.shared_axes = {1, 2}}), {kNone, 7, 9, 4}), Names{"alpha (1, 1, 4)"});
}

TEST(LayerWeights, normalizations_of_samples_declare_an_element_for_each_place_along_the_axes) {
  const Shape image{kNone, 7, 9, 4};
  EXPECT_EQ(declared(LayerNormalization(), image), (Names{"gamma (4,)", "beta (4,)"}));
  EXPECT_EQ(declared(LayerNormalization({.axis = {2, 1}, .center = false}), image),
            Names{"gamma (7, 9)"});
  EXPECT_EQ(declared(LayerNormalization({.scale = false}), image), Names{"beta (4,)"});
  EXPECT_EQ(declared(RMSNormalization({.axis = 1}), image), Names{"scale (7,)"});
  EXPECT_EQ(declared(GroupNormalization({.groups = 3, .axis = 2}), image),
            (Names{"gamma (9,)", "beta (9,)"}));
  EXPECT_EQ(declared(UnitNormalization(), image), Names{});
}

TEST(LayerWeights, initializers_and_regularizers_are_keras_defaults_unless_given) {
  const auto plain = infer(Dense(3), {kNone, 6}).weights;
  EXPECT_EQ(plain[0].initializer.kind, Initializer::Kind::variance_scaling);
  EXPECT_EQ(plain[0].initializer.mode, Initializer::Mode::fan_avg);
  EXPECT_EQ(plain[1].initializer.kind, Initializer::Kind::zeros);
  EXPECT_FALSE(plain[0].regularizer);

  const auto given = infer(Dense(3, {.kernel_initializer = "ones",
                                     .bias_initializer = Constant(2.0),
                                     .kernel_regularizer = "l2",
                                     .bias_regularizer = L1(0.5)}),
                           {kNone, 6})
                         .weights;
  EXPECT_EQ(given[0].initializer.kind, Initializer::Kind::ones);
  EXPECT_EQ(given[0].regularizer.l2, 0.01);
  EXPECT_EQ(given[1].initializer.a, 2.0);
  EXPECT_EQ(given[1].regularizer.l1, 0.5);

  const auto statistics = infer(BatchNormalization(), {kNone, 6}).weights;
  EXPECT_EQ(statistics[0].initializer.kind, Initializer::Kind::ones);
  EXPECT_EQ(statistics[2].initializer.kind, Initializer::Kind::zeros);
  EXPECT_EQ(statistics[3].initializer.kind, Initializer::Kind::ones);
}

TEST(FunctionalApi, values_carry_shapes_and_lead_back_to_their_layers) {
  const Value x = Input({28, 28, 1}, {.dtype = "uint8", .name = "image"});
  EXPECT_EQ(to_string(x.shape()), "(None, 28, 28, 1)");
  EXPECT_EQ(x.node()->type().value.dtype, DType::uint8);
  EXPECT_EQ(x.node()->call->layer->name(), "image");

  const Layer flatten = Flatten();
  const Value rows = flatten(x);
  const Value y = Dense(10, {.name = "logits"})(rows);
  EXPECT_EQ(to_string(y.shape()), "(None, 10)");
  EXPECT_EQ(y.node()->type().value.dtype, DType::float32);
  EXPECT_EQ(y.node()->call->layer->label(), "Dense \"logits\"");
  ASSERT_EQ(y.node()->call->inputs.size(), 1u);
  EXPECT_EQ(y.node()->call->inputs[0], rows.node());
  EXPECT_EQ(rows.node()->call->layer, flatten.base());
  EXPECT_EQ(flatten(std::vector<Value>{x}).shape(), rows.shape());
}

TEST(FunctionalApi, an_input_is_a_layer_of_sequential) {
  const Layer layer = Input({4}, {.name = "x"});
  EXPECT_EQ(layer.base()->class_name(), "InputLayer");
  EXPECT_EQ(layer.name(), "x");
}

TEST(FunctionalApi, copies_of_a_layer_share_it) {
  Layer layer = Dense(3);
  Layer copy = layer;
  copy.set_trainable(false);
  EXPECT_FALSE(layer.trainable());
}

}  // namespace
}  // namespace stoker

// What layers, initializers and regularizers say of themselves, and what they are made from.
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <functional>
#include <limits>
#include <vector>

#include "layers/registry.h"
#include "support/contains.h"
#include "support/message.h"

namespace stoker {
namespace {

using test::contains;
using test::message_of;

// One of each class, with no option at its default.
const char* registered_lambda() {
  static const bool is_registered = [] {
    register_lambda("of_config_test", Lambda([](const Value& x) { return -x; }));
    return true;
  }();
  return is_registered ? "of_config_test" : "";
}

std::vector<Layer> one_of_each() {
  return {
      Activation("relu", {.name = "a", .dtype = "mixed_bfloat16"}),
      ActivityRegularization({.l1 = 0.5, .l2 = 0.25, .name = "a"}),
      AdaptiveAveragePooling1D(3, {.name = "a"}),
      AdaptiveAveragePooling2D({3, 4}, {.name = "a"}),
      AdaptiveAveragePooling3D({3, 4, 5}, {.name = "a"}),
      AdaptiveMaxPooling1D(3, {.name = "a"}),
      AdaptiveMaxPooling2D({3, 4}, {.name = "a"}),
      AdaptiveMaxPooling3D({3, 4, 5}, {.name = "a"}),
      Add({.name = "a"}),
      AdditiveAttention({.use_scale = false, .dropout = 0.25, .seed = 5, .name = "a"}),
      AlphaDropout(0.25, {.noise_shape = {-1, 1}, .seed = 5, .name = "a"}),
      Attention(
          {.use_scale = true, .score_mode = "concat", .dropout = 0.25, .seed = 5, .name = "a"}),
      AugMix({.value_range = {0.0, 1.0},
              .num_chains = 2,
              .chain_depth = 1,
              .factor = {0.25, 0.5},
              .alpha = 0.5,
              .all_ops = false,
              .interpolation = "nearest",
              .seed = 5,
              .name = "a"}),
      AutoContrast({.value_range = {0.0, 1.0}, .name = "a"}),
      Average({.name = "a"}),
      AveragePooling1D(3, {.strides = 2, .padding = "same", .name = "p"}),
      AveragePooling2D({2, 3}, {.strides = Size2D(1, 2), .padding = "same", .name = "p"}),
      AveragePooling3D({2, 3, 4}, {.strides = Size3D(1, 2, 3), .padding = "same", .name = "p"}),
      BatchNormalization({.axis = 1,
                          .momentum = 0.8,
                          .epsilon = 0.01,
                          .center = false,
                          .scale = false,
                          .beta_initializer = "ones",
                          .gamma_initializer = HeNormal({.seed = 3}),
                          .moving_mean_initializer = Constant(2.5),
                          .moving_variance_initializer = RandomUniform({.minval = 1, .maxval = 2}),
                          .beta_regularizer = "l1",
                          .gamma_regularizer = L1L2(0.1, 0.2),
                          .name = "b"}),
      Bidirectional(LSTM(3, {.return_sequences = true}),
                    {.merge_mode = {},
                     .backward_layer = LSTM(4, {.return_sequences = true, .go_backwards = true}),
                     .name = "b"}),
      CategoryEncoding(5, {.output_mode = "count", .name = "c"}),
      CenterCrop(3, 4, {.name = "c"}),
      Concatenate(1, {.name = "c"}),
      ContrastLimitedAdaptiveHistogramEqualization(
          {.value_range = {0.0, 1.0}, .clip_limit = 2.0, .tile_grid_size = {2, 4}, .name = "c"}),
      Conv1D(8, 3,
             {.strides = 2,
              .padding = "causal",
              .groups = 4,
              .activation = "relu",
              .kernel_regularizer = L2(0.3),
              .name = "conv"}),
      Conv1DTranspose(8, 3,
                      {.strides = 3,
                       .padding = "same",
                       .output_padding = 2,
                       .activation = "relu",
                       .use_bias = false,
                       .name = "up"}),
      Conv2D(8, {3, 5},
             {.strides = Size2D(2, 1),
              .padding = "same",
              .dilation_rate = 1,
              .groups = 4,
              .activation = {"leaky_relu", {0.1}},
              .use_bias = false,
              .kernel_initializer = VarianceScaling(
                  {.scale = 3.0, .distribution = Initializer::Distribution::uniform}),
              .bias_initializer = TruncatedNormal({.mean = 1, .stddev = 2, .seed = 9}),
              .kernel_regularizer = L2(0.3),
              .bias_regularizer = L1(0.4),
              .activity_regularizer = L1L2(0.5, 0.6),
              .kernel_constraint = MinMaxNorm({.max_value = 3.0, .rate = 0.5, .axis = {0, 1, 2}}),
              .bias_constraint = NonNeg(),
              .name = "conv",
              .dtype = "float32"}),
      Conv2DTranspose(8, {3, 5},
                      {.strides = Size2D(2, 3),
                       .padding = "same",
                       .output_padding = Size2D(0, 1),
                       .dilation_rate = 1,
                       .activation = "tanh",
                       .kernel_initializer = HeNormal(),
                       .bias_initializer = "ones",
                       .kernel_regularizer = L2(0.3),
                       .bias_regularizer = L1(0.4),
                       .activity_regularizer = L1L2(0.5, 0.6),
                       .name = "up"}),
      Conv3D(8, {2, 3, 5},
             {.strides = Size3D(1, 2, 3), .padding = "same", .groups = 4, .name = "conv"}),
      Conv3DTranspose(8, {2, 3, 5},
                      {.strides = Size3D(1, 2, 3),
                       .padding = "same",
                       .output_padding = Size3D(0, 1, 2),
                       .name = "up"}),
      ConvLSTM1D(3, 3,
                 {.strides = 2,
                  .padding = "same",
                  .use_bias = false,
                  .return_sequences = true,
                  .name = "c"}),
      ConvLSTM2D(3, {3, 5},
                 {.strides = Size2D(2, 1),
                  .padding = "same",
                  .activation = "relu",
                  .recurrent_activation = "hard_sigmoid",
                  .use_bias = false,
                  .kernel_initializer = HeNormal(),
                  .recurrent_initializer = "glorot_normal",
                  .bias_initializer = "ones",
                  .unit_forget_bias = false,
                  .kernel_regularizer = L2(0.1),
                  .recurrent_regularizer = L2(0.2),
                  .bias_regularizer = L1(0.3),
                  .activity_regularizer = L1L2(0.4, 0.5),
                  .dropout = 0.25,
                  .recurrent_dropout = 0.5,
                  .seed = 7,
                  .return_sequences = true,
                  .return_state = true,
                  .go_backwards = true,
                  .zero_output_for_mask = true,
                  .name = "c"}),
      ConvLSTM3D(3, {2, 3, 5},
                 {.strides = Size3D(1, 2, 3), .padding = "same", .stateful = true, .name = "c"}),
      Cropping1D({1, 2}, {.name = "c"}),
      Cropping2D({{1, 2}, {3, 4}}, {.name = "c"}),
      Cropping3D({{1, 2}, {3, 4}, {5, 6}}, {.name = "c"}),
      CutMix({.factor = {0.25, 0.5}, .seed = 5, .name = "c"}),
      Dense(7, {.activation = {"relu", {0.5, std::numeric_limits<double>::infinity(), 1.0}},
                .use_bias = false,
                .kernel_initializer = Orthogonal({.gain = 2.0, .seed = 0xffffffffffffffffU}),
                .bias_initializer = IdentityInitializer(3.0),
                .kernel_regularizer = "l2",
                .bias_regularizer = "l1",
                .activity_regularizer = "l1_l2",
                .kernel_constraint = MaxNorm(3.0),
                .bias_constraint = "non_neg",
                .name = "d"}),
      DepthwiseConv1D(3, {.padding = "same",
                          .depth_multiplier = 2,
                          .dilation_rate = 2,
                          .use_bias = false,
                          .name = "depthwise"}),
      DepthwiseConv2D({3, 5}, {.strides = Size2D(2, 1),
                               .padding = "same",
                               .depth_multiplier = 2,
                               .activation = "relu6",
                               .depthwise_initializer = HeNormal(),
                               .bias_initializer = "ones",
                               .depthwise_regularizer = L2(0.3),
                               .bias_regularizer = L1(0.4),
                               .activity_regularizer = L1L2(0.5, 0.6),
                               .depthwise_constraint = UnitNorm({0, 1}),
                               .bias_constraint = "unit_norm",
                               .name = "depthwise"}),
      Discretization({-1.0, 0.5}, {.output_mode = "one_hot", .name = "d"}),
      Dot({1, 2}, {.normalize = true, .name = "d"}),
      Dropout(0.25, {.noise_shape = {-1, 1}, .seed = 5, .name = "d"}),
      ELU({.alpha = 0.5, .name = "e"}),
      EinsumDense("abc,cde->abde", {-1, 3, 4},
                  {.activation = "relu",
                   .bias_axes = "de",
                   .kernel_initializer = HeNormal({.seed = 3}),
                   .bias_initializer = "ones",
                   .kernel_regularizer = "l2",
                   .bias_regularizer = "l1",
                   .activity_regularizer = "l1_l2",
                   .kernel_constraint = MaxNorm(3.0),
                   .bias_constraint = "non_neg",
                   .name = "e"}),
      Embedding(10, 4,
                {.embeddings_initializer = RandomNormal({.mean = 1, .stddev = 3}),
                 .embeddings_regularizer = "l2",
                 .activity_regularizer = "l1",
                 .embeddings_constraint = UnitNorm(1),
                 .mask_zero = true,
                 .name = "e"}),
      Equalization({.value_range = {0.0, 1.0}, .bins = 16, .name = "e"}),
      Flatten({.name = "f"}),
      layer_from_config("Function", Config::map({{"name", "f"},
                                                 {"function", "sum"},
                                                 {"arguments", Config::map({{"axis", -1}})}})),
      GRU(3, {.activation = "relu",
              .recurrent_activation = "hard_sigmoid",
              .use_bias = false,
              .kernel_initializer = HeNormal(),
              .recurrent_initializer = "glorot_normal",
              .bias_initializer = "ones",
              .kernel_regularizer = L2(0.1),
              .recurrent_regularizer = L2(0.2),
              .bias_regularizer = L1(0.3),
              .activity_regularizer = L1L2(0.4, 0.5),
              .dropout = 0.25,
              .recurrent_dropout = 0.5,
              .seed = 7,
              .return_sequences = true,
              .return_state = true,
              .go_backwards = true,
              .stateful = true,
              .unroll = true,
              .reset_after = false,
              .zero_output_for_mask = true,
              .name = "g"}),
      GRUCell(3, {.activation = "relu",
                  .recurrent_activation = "hard_sigmoid",
                  .use_bias = false,
                  .kernel_initializer = HeNormal(),
                  .recurrent_initializer = "glorot_normal",
                  .bias_initializer = "ones",
                  .kernel_regularizer = L2(0.1),
                  .recurrent_regularizer = L2(0.2),
                  .bias_regularizer = L1(0.3),
                  .dropout = 0.25,
                  .recurrent_dropout = 0.5,
                  .reset_after = false,
                  .seed = 7,
                  .name = "g"}),
      GaussianDropout(0.25, {.seed = 5, .name = "g"}),
      GaussianNoise(0.5, {.seed = 6, .name = "g"}),
      GlobalAveragePooling1D({.keepdims = true, .name = "g"}),
      GlobalAveragePooling2D({.keepdims = true, .name = "g"}),
      GlobalAveragePooling3D({.keepdims = true, .name = "g"}),
      GlobalMaxPooling1D({.keepdims = true, .name = "g"}),
      GlobalMaxPooling2D({.keepdims = true, .name = "g"}),
      GlobalMaxPooling3D({.keepdims = true, .name = "g"}),
      GroupNormalization({.groups = 4,
                          .axis = 1,
                          .epsilon = 0.01,
                          .center = false,
                          .scale = false,
                          .beta_initializer = "ones",
                          .gamma_initializer = HeNormal({.seed = 3}),
                          .beta_regularizer = "l1",
                          .gamma_regularizer = "l2",
                          .beta_constraint = "non_neg",
                          .gamma_constraint = MaxNorm(),
                          .name = "g"}),
      GroupQueryAttention(4, 6, 2,
                          {.dropout = 0.25,
                           .use_bias = false,
                           .sliding_window = 3,
                           .kernel_initializer = HeNormal({.seed = 3}),
                           .bias_initializer = "ones",
                           .kernel_regularizer = "l2",
                           .bias_regularizer = "l1",
                           .activity_regularizer = "l1_l2",
                           .kernel_constraint = MaxNorm(3.0),
                           .bias_constraint = "non_neg",
                           .use_gate = true,
                           .seed = 5,
                           .name = "g"}),
      HashedCrossing(7, {.output_mode = "one_hot", .name = "h"}),
      Hashing(7, {.mask_value = 3, .salt = Salt(5, 6), .output_mode = "count", .name = "h"}),
      Identity({.name = "i"}),
      Input({4, 5}, {.dtype = "uint8", .name = "i", .batch_size = 8}),
      IntegerLookup({.max_tokens = 9,
                     .num_oov_indices = 2,
                     .mask_token = 4,
                     .oov_token = -2,
                     .vocabulary = {3, 5},
                     .output_mode = "count",
                     .pad_to_max_tokens = true,
                     .oov_method = "farmhash",
                     .salt = Salt(5, 6),
                     .name = "i"}),
      LSTM(3, {.activation = "relu",
               .recurrent_activation = "hard_sigmoid",
               .use_bias = false,
               .kernel_initializer = HeNormal(),
               .recurrent_initializer = "glorot_normal",
               .bias_initializer = "ones",
               .unit_forget_bias = false,
               .kernel_regularizer = L2(0.1),
               .recurrent_regularizer = L2(0.2),
               .bias_regularizer = L1(0.3),
               .activity_regularizer = L1L2(0.4, 0.5),
               .dropout = 0.25,
               .recurrent_dropout = 0.5,
               .seed = 7,
               .return_sequences = true,
               .return_state = true,
               .go_backwards = true,
               .stateful = true,
               .unroll = true,
               .zero_output_for_mask = true,
               .name = "l"}),
      LSTMCell(3, {.activation = "relu",
                   .recurrent_activation = "hard_sigmoid",
                   .use_bias = false,
                   .kernel_initializer = HeNormal(),
                   .recurrent_initializer = "glorot_normal",
                   .bias_initializer = "ones",
                   .unit_forget_bias = false,
                   .kernel_regularizer = L2(0.1),
                   .recurrent_regularizer = L2(0.2),
                   .bias_regularizer = L1(0.3),
                   .dropout = 0.25,
                   .recurrent_dropout = 0.5,
                   .seed = 7,
                   .name = "l"}),
      Lambda(registered_lambda(), {.name = "l"}),
      LayerNormalization({.axis = {1, 2},
                          .epsilon = 0.01,
                          .center = false,
                          .scale = false,
                          .beta_initializer = "ones",
                          .gamma_initializer = HeNormal({.seed = 3}),
                          .beta_regularizer = "l1",
                          .gamma_regularizer = "l2",
                          .name = "l"}),
      LeakyReLU({.negative_slope = 0.5, .name = "l"}),
      Masking({.mask_value = -1.5, .name = "m"}),
      MaxPooling1D(3, {.strides = 1, .padding = "same", .name = "p"}),
      MaxPooling2D(3, {.strides = 2, .padding = "same", .name = "p"}),
      MaxPooling3D({2, 3, 4}, {.strides = Size3D(1, 2, 3), .padding = "same", .name = "p"}),
      Maximum({.name = "m"}),
      Minimum({.name = "m"}),
      MixUp({.alpha = 0.5, .seed = 5, .name = "m"}),
      MultiHeadAttention(2, 3,
                         {.value_dim = 4,
                          .dropout = 0.25,
                          .use_bias = false,
                          .output_shape = {5, 6},
                          .attention_axes = Axes{1, 2},
                          .sliding_window = 3,
                          .kernel_initializer = HeNormal({.seed = 3}),
                          .bias_initializer = "ones",
                          .kernel_regularizer = "l2",
                          .bias_regularizer = "l1",
                          .activity_regularizer = "l1_l2",
                          .kernel_constraint = MaxNorm(3.0),
                          .bias_constraint = "non_neg",
                          .use_gate = true,
                          .seed = 5,
                          .name = "m"}),
      Multiply({.name = "m"}),
      Normalization(
          {.axis = {1, 2}, .mean = {1, 2}, .variance = {0.5}, .invert = true, .name = "n"}),
      PReLU({.alpha_initializer = Constant(0.25),
             .alpha_regularizer = "l2",
             .shared_axes = {1, 2},
             .name = "p"}),
      Permute({2, 1}, {.name = "p"}),
      RMSNormalization({.axis = 1, .epsilon = 0.01, .name = "r"}),
      RNN({LSTMCell(3), GRUCell(2, {.name = "inner"})}, {.return_sequences = true,
                                                         .return_state = true,
                                                         .go_backwards = true,
                                                         .stateful = true,
                                                         .unroll = true,
                                                         .zero_output_for_mask = true,
                                                         .activity_regularizer = "l2",
                                                         .name = "r"}),
      RandAugment({.value_range = {0.0, 1.0},
                   .num_ops = 3,
                   .factor = {0.25, 0.75},
                   .interpolation = "nearest",
                   .seed = 5,
                   .name = "r"}),
      RandomBrightness({-0.25, 0.5}, {.value_range = {0.0, 1.0}, .seed = 3, .name = "r"}),
      RandomColorDegeneration({0.25, 0.5}, {.value_range = {0.0, 1.0}, .seed = 3, .name = "r"}),
      RandomColorJitter({.value_range = {0.0, 1.0},
                         .brightness_factor = 0.25,
                         .contrast_factor = 0.5,
                         .saturation_factor = Factor(0.25, 0.5),
                         .seed = 3,
                         .name = "r"}),
      RandomContrast({0.25, 0.5}, {.value_range = {0.0, 1.0}, .seed = 3, .name = "r"}),
      RandomCrop(3, 4, {.seed = 3, .name = "r"}),
      RandomElasticTransform({.factor = {0.25, 0.5},
                              .scale = 0.5,
                              .interpolation = "nearest",
                              .fill_mode = "constant",
                              .fill_value = 0.5,
                              .value_range = {0.0, 1.0},
                              .seed = 3,
                              .name = "r"}),
      RandomErasing({.factor = {0.25, 0.5},
                     .scale = 0.5,
                     .fill_value = {1.0, 2.0, 3.0},
                     .value_range = {0.0, 1.0},
                     .seed = 3,
                     .name = "r"}),
      RandomFlip("vertical", {.seed = 3, .name = "r"}),
      RandomGaussianBlur({.factor = {0.25, 0.5},
                          .kernel_size = {3, 5},
                          .sigma = 0.5,
                          .value_range = {0.0, 1.0},
                          .seed = 3,
                          .name = "r"}),
      RandomGrayscale(0.25, {.seed = 3, .name = "r"}),
      RandomHue({0.25, 0.5}, {.value_range = {0.0, 1.0}, .seed = 3, .name = "r"}),
      RandomInvert({0.25, 0.5}, {.value_range = {0.0, 1.0}, .seed = 3, .name = "r"}),
      RandomPerspective({.factor = {0.25, 0.5},
                         .scale = 0.5,
                         .interpolation = "nearest",
                         .fill_value = 0.5,
                         .seed = 3,
                         .name = "r"}),
      RandomPosterization({2.0, 5.0}, {.value_range = {0.0, 1.0}, .seed = 3, .name = "r"}),
      RandomRotation({-0.25, 0.5}, {.fill_mode = "wrap",
                                    .interpolation = "nearest",
                                    .seed = 3,
                                    .fill_value = 0.5,
                                    .name = "r"}),
      RandomSaturation({0.25, 0.5}, {.value_range = {0.0, 1.0}, .seed = 3, .name = "r"}),
      RandomSharpness({0.25, 0.5}, {.value_range = {0.0, 1.0}, .seed = 3, .name = "r"}),
      RandomShear({0.25, 0.5}, 0.5, {.fill_mode = "nearest", .seed = 3, .name = "r"}),
      RandomTranslation({-0.25, 0.5}, 0.5, {.fill_mode = "constant", .seed = 3, .name = "r"}),
      RandomZoom({-0.25, 0.5}, 0.25, {.fill_mode = "constant", .seed = 3, .name = "r"}),
      ReLU({.max_value = 6.0, .negative_slope = 0.1, .threshold = 0.5, .name = "r"}),
      RepeatVector(3, {.name = "r"}),
      Rescaling(0.5, {.offset = -1.0, .name = "r"}),
      Reshape({-1, 4}, {.name = "r"}),
      Resizing(3, 4,
               {.interpolation = "nearest",
                .pad_to_aspect_ratio = true,
                .fill_value = 0.5,
                .name = "r"}),
      ReversibleEmbedding(9, 4,
                          {.tie_weights = false,
                           .embeddings_initializer = HeNormal(),
                           .mask_zero = true,
                           .reverse_dtype = "float32",
                           .logit_soft_cap = 30.0,
                           .name = "e"}),
      SeparableConv1D(8, 3, {.strides = 2, .padding = "same", .depth_multiplier = 3, .name = "s"}),
      SeparableConv2D(8, {3, 5},
                      {.strides = Size2D(2, 1),
                       .padding = "same",
                       .depth_multiplier = 2,
                       .activation = "relu6",
                       .use_bias = false,
                       .depthwise_initializer = HeNormal(),
                       .pointwise_initializer = HeUniform(),
                       .bias_initializer = "ones",
                       .depthwise_regularizer = L2(0.3),
                       .pointwise_regularizer = L2(0.7),
                       .bias_regularizer = L1(0.4),
                       .activity_regularizer = L1L2(0.5, 0.6),
                       .name = "s"}),
      SimpleRNN(3, {.activation = "relu",
                    .use_bias = false,
                    .kernel_initializer = HeNormal(),
                    .recurrent_initializer = "glorot_normal",
                    .bias_initializer = "ones",
                    .kernel_regularizer = L2(0.1),
                    .recurrent_regularizer = L2(0.2),
                    .bias_regularizer = L1(0.3),
                    .activity_regularizer = L1L2(0.4, 0.5),
                    .dropout = 0.25,
                    .recurrent_dropout = 0.5,
                    .seed = 7,
                    .return_sequences = true,
                    .return_state = true,
                    .go_backwards = true,
                    .stateful = true,
                    .unroll = true,
                    .zero_output_for_mask = true,
                    .name = "s"}),
      SimpleRNNCell(3, {.activation = "relu",
                        .use_bias = false,
                        .kernel_initializer = HeNormal(),
                        .recurrent_initializer = "glorot_normal",
                        .bias_initializer = "ones",
                        .kernel_regularizer = L2(0.1),
                        .recurrent_regularizer = L2(0.2),
                        .bias_regularizer = L1(0.3),
                        .dropout = 0.25,
                        .recurrent_dropout = 0.5,
                        .seed = 7,
                        .name = "s"}),
      Softmax({.axis = {1, 2}, .name = "s"}),
      Solarization({.addition_factor = {0.25, 0.5},
                    .threshold_factor = {0.0, 0.5},
                    .value_range = {0.0, 1.0},
                    .seed = 3,
                    .name = "s"}),
      SpatialDropout1D(0.25, {.seed = 1, .name = "s"}),
      SpatialDropout2D(0.5, {.seed = 2, .name = "s"}),
      SpatialDropout3D(0.75, {.seed = 3, .name = "s"}),
      SpectralNormalization(Dense(3, {.name = "inner"}), {.power_iterations = 2, .name = "s"}),
      StackedRNNCells({LSTMCell(3), SimpleRNNCell(2)}, {.name = "s"}),
      Subtract({.name = "s"}),
      TimeDistributed(Dense(3, {.name = "inner"}), {.name = "t"}),
      UnitNormalization({.axis = 1, .name = "u"}),
      UpSampling1D(3, {.name = "u"}),
      UpSampling2D({3, 4}, {.interpolation = "bilinear", .name = "u"}),
      UpSampling3D({3, 4, 5}, {.name = "u"}),
      ZeroPadding1D({1, 2}, {.name = "z"}),
      ZeroPadding2D({{1, 2}, {3, 4}}, {.name = "z"}),
      ZeroPadding3D({{1, 2}, {3, 4}, {5, 6}}, {.name = "z"}),
  };
}

TEST(LayerConfig, every_class_is_made_again_as_it_was) {
  const std::vector<Layer> layers = one_of_each();
  const auto classes = layers::layer_classes();
  ASSERT_EQ(layers.size(), classes.size());
  for (std::size_t i = 0; i < layers.size(); ++i) {
    Layer layer = layers[i];
    ASSERT_EQ(layer.class_name(), classes[i].name);
    layer.set_trainable(false);
    const Config config = layer.config();
    SCOPED_TRACE(config.to_json());
    EXPECT_EQ(config["class_name"].string(), layer.class_name());
    const Layer again = layer_from_config(config);
    EXPECT_EQ(again.config(), config);
    // Some classes, which have no weights, don't say whether they train.
    EXPECT_EQ(again.trainable(), config["config"].find("trainable") == nullptr);
    // By way of JSON, and with class and fields apart.
    EXPECT_EQ(layer_from_config(Config::from_json(config.to_json())).config(), config);
    EXPECT_EQ(layer_from_config(layer.class_name(), config["config"]).config(), config);
  }
}

TEST(LayerConfig, what_is_not_said_has_its_default) {
  EXPECT_EQ(layer_from_config("Dense", Config::map({{"units", 3}})).config(), Dense(3).config());
  EXPECT_EQ(layer_from_config(Config::map({{"class_name", "ReLU"}})).config(), ReLU().config());
  const Config conv = Config::map({{"filters", 2}, {"kernel_size", 3}});
  EXPECT_EQ(layer_from_config("Conv2D", conv).config(), Conv2D(2, 3).config());
  EXPECT_EQ(layer_from_config("Conv1D", conv).config(), Conv1D(2, 3).config());
  EXPECT_EQ(layer_from_config("Conv2DTranspose", conv).config(), Conv2DTranspose(2, 3).config());
  EXPECT_EQ(layer_from_config("SeparableConv1D", conv).config(), SeparableConv1D(2, 3).config());
}

TEST(LayerConfig, is_what_keras_writes) {
  EXPECT_EQ(
      Dense(3, {.name = "d"}).config()["config"].to_json(),
      R"({"name": "d", "trainable": true, "dtype": null, "units": 3, "activation": "linear", )"
      R"("use_bias": true, "kernel_initializer": {"module": "keras.initializers", )"
      R"("class_name": "GlorotUniform", "config": {"seed": null}, "registered_name": null}, )"
      R"("bias_initializer": {"module": "keras.initializers", "class_name": "Zeros", )"
      R"("config": {}, "registered_name": null}, "kernel_regularizer": null, )"
      R"("bias_regularizer": null, "activity_regularizer": null, )"
      R"("kernel_constraint": null, "bias_constraint": null})");
}

TEST(LayerConfig, sizes_of_sequences_are_lists_of_one_number) {
  EXPECT_EQ(Conv1DTranspose(8, 3, {.strides = 2, .name = "up"}).config()["config"].to_json(),
            R"({"name": "up", "trainable": true, "dtype": null, "filters": 8, "kernel_size": [3], )"
            R"("strides": [2], "padding": "valid", "output_padding": null, )"
            R"("data_format": "channels_last", "dilation_rate": [1], "activation": "linear", )"
            R"("use_bias": true, "kernel_initializer": {"module": "keras.initializers", )"
            R"("class_name": "GlorotUniform", "config": {"seed": null}, "registered_name": null}, )"
            R"("bias_initializer": {"module": "keras.initializers", "class_name": "Zeros", )"
            R"("config": {}, "registered_name": null}, "kernel_regularizer": null, )"
            R"("bias_regularizer": null, "activity_regularizer": null, )"
            R"("kernel_constraint": null, "bias_constraint": null})");
  const Config both = Config::map({{"filters", 1}, {"kernel_size", Config::list({2, 3})}});
  EXPECT_TRUE(
      contains(message_of<ValueError>([&] { layer_from_config("Conv1D", both); }),
               "Conv1D.kernel_size: expected one number, alone or in a list, received a list"));
  EXPECT_TRUE(MaxPooling1D(4).config()["config"]["strides"] == Config::list({4}));
}

TEST(LayerConfig, reads_the_forms_that_keras_writes) {
  Config dense = Config::map({{"units", 3}});
  dense.set("dtype", Config::map({{"module", "keras"},
                                  {"class_name", "DTypePolicy"},
                                  {"config", Config::map({{"name", "mixed_float16"}})},
                                  {"registered_name", nullptr},
                                  {"shared_object_id", 1}}));
  dense.set("activation", Config::map({{"module", "builtins"},
                                       {"class_name", "function"},
                                       {"config", "tanh"},
                                       {"registered_name", "function"}}));
  dense.set("kernel_initializer", "he_normal");
  dense.set("kernel_constraint", nullptr).set("quantization_config", nullptr);
  EXPECT_EQ(
      layer_from_config("Dense", dense).config(),
      Dense(3, {.activation = "tanh", .kernel_initializer = HeNormal(), .dtype = "mixed_float16"})
          .config());
}

TEST(LayerConfig, keeps_random_starting_points) {
  // Every name an initializer goes by says the same of itself as the one it makes.
  for (const char* name :
       {"zeros", "ones", "constant", "random_uniform", "random_normal", "truncated_normal",
        "variance_scaling", "glorot_uniform", "glorot_normal", "he_uniform", "he_normal",
        "lecun_uniform", "lecun_normal", "orthogonal", "identity", "uniform", "normal"}) {
    const Initializer initializer(name);
    EXPECT_EQ(initializer_from_config(initializer.config()).config(), initializer.config()) << name;
  }
}

TEST(LayerConfig, mistakes_are_named_with_their_place) {
  const auto message = [](const char* class_name, Config config) {
    return message_of<ValueError>([&] { layer_from_config(class_name, config); });
  };
  EXPECT_TRUE(contains(message("Danse", Config::map()),
                       "layer_from_config: there is no layer class \"Danse\"; did you mean "
                       "\"Dense\"?"));
  EXPECT_TRUE(contains(message("FlaxLayer", Config::map()),
                       "there is no layer class \"FlaxLayer\" (known "));
  EXPECT_TRUE(contains(message("TextVectorization", Config::map()),
                       "TextVectorization takes texts, and stands before a model here"));
  EXPECT_TRUE(contains(message("Dense", Config::map({{"units", 3}, {"use_bais", false}})),
                       "Dense: there is no key \"use_bais\"; did you mean \"use_bias\"? (known "));
  EXPECT_EQ(message("Dense", Config::map({{"name", "d"}})),
            "Dense: expected the key \"units\", received name");
  EXPECT_EQ(message("Dense", Config::map({{"units", "three"}})),
            "Dense.units: expected a whole number, received \"three\"");
  EXPECT_EQ(message("Dense", Config::map({{"units", 3}, {"kernel_constraint", "maxnorm"}})),
            "Dense.kernel_constraint: Constraint: there is none named \"maxnorm\"; known are "
            "max_norm, non_neg, unit_norm, min_max_norm; did you mean \"max_norm\"?");
  EXPECT_EQ(message("Dense", Config::map({{"units", 3}, {"quantization_config", "int8"}})),
            "Dense.quantization_config: expected null, since this is not offered here, received "
            "\"int8\"");
  EXPECT_EQ(message("Flatten", Config::map({{"data_format", "channels_first"}})),
            "Flatten.data_format: expected \"channels_last\", which is all that is offered here, "
            "received \"channels_first\"");
  EXPECT_TRUE(contains(message("Dense", Config::map({{"units", 3}, {"activation", "rellu"}})),
                       "Dense.activation: ActivationFunction: there is none named \"rellu\""));
  const Config no_initializer =
      Config::map({{"class_name", "GlorotUnifrom"}, {"config", Config::map()}});
  EXPECT_TRUE(contains(
      message("Dense", Config::map({{"units", 3}, {"kernel_initializer", no_initializer}})),
      "Dense.kernel_initializer: there is no initializer class \"GlorotUnifrom\"; did you "
      "mean \"GlorotUniform\"?"));
  const Config bad_mode = Config::map(
      {{"class_name", "VarianceScaling"}, {"config", Config::map({{"mode", "fan_inn"}})}});
  EXPECT_EQ(message("Dense", Config::map({{"units", 3}, {"kernel_initializer", bad_mode}})),
            "Dense.kernel_initializer: VarianceScaling.mode: expected one of fan_in, fan_out, "
            "fan_avg, received \"fan_inn\"; did you mean \"fan_in\"?");
  EXPECT_TRUE(contains(
      message("Conv2D", Config::map({{"filters", 1}, {"kernel_size", Config::list({1, 2, 3})}})),
      "Conv2D.kernel_size: expected a height and a width, or one number"));
  EXPECT_TRUE(contains(message("Dense", Config::map({{"units", -3}, {"name", "d"}})),
                       "Dense \"d\": expected units"));
  EXPECT_EQ(message("InputLayer", Config::map({{"batch_shape", Config::list()}})),
            "InputLayer.batch_shape: expected one whose first extent is the batch, received ()");
  EXPECT_TRUE(contains(message("InputLayer", Config::map({{"batch_shape", Config::list({0, 4})}})),
                       "expected a batch_size of 1 or more, received 0"));
  EXPECT_TRUE(contains(
      message("Conv2D",
              Config::map({{"filters", 1}, {"kernel_size", 3}, {"dilation_rate", INT64_MAX}})),
      "Conv2D: expected dilation_rate in [1, 2147483648), received"));
  EXPECT_EQ(message("Reshape", Config::map({{"target_shape", nullptr}})),
            "Reshape.target_shape: expected a value, received null");
  EXPECT_EQ(message_of<ValueError>([] { layer_from_config(Config("Dense")); }),
            "layer_from_config: expected a map with class_name and config, received \"Dense\"");
}

TEST(LayerConfig, extents_whose_product_overflows_are_refused) {
  constexpr std::int64_t kMost = INT64_MAX;
  const Value x = Input({4});
  EXPECT_THROW(Reshape({-1, kMost, kMost})(x), ShapeError);
  EXPECT_THROW(Reshape({kMost, kMost})(x), ShapeError);
  EXPECT_THROW(Model(x, Dense(kMost)(x)), ShapeError);
  EXPECT_THROW(Model(x, Embedding(kMost / 3, kMost / 3)(x)), ShapeError);
  const Value image = Input({8, 8, 3});
  for (const std::int64_t huge : {std::int64_t{1} << 31, std::int64_t{1} << 62, kMost}) {
    EXPECT_THROW(Conv2D(1, huge), ValueError);
    EXPECT_THROW(Conv2D(1, 3, {.strides = huge}), ValueError);
    EXPECT_THROW(Conv2D(1, 3, {.dilation_rate = huge}), ValueError);
    EXPECT_THROW(MaxPooling2D(huge), ValueError);
    EXPECT_THROW(MaxPooling2D(2, {.strides = huge}), ValueError);
  }
  constexpr std::int64_t kLargest = (std::int64_t{1} << 31) - 1;
  EXPECT_THROW(Conv2D(1, kLargest, {.dilation_rate = kLargest})(image), ShapeError);
}

TEST(LossMetricAndOptimizerConfig, are_made_again_as_they_were) {
  const std::vector<Loss> losses{
      SparseCategoricalCrossentropy({.from_logits = true, .ignore_class = 3, .reduction = "sum"}),
      CategoricalCrossentropy({.from_logits = true, .label_smoothing = 0.1}),
      BinaryCrossentropy({.label_smoothing = 0.2, .reduction = "mean"}),
      MeanSquaredError({.reduction = "sum"}),
      MeanAbsoluteError(),
      Loss()};
  for (const Loss& loss : losses) {
    EXPECT_EQ(loss_from_config(loss.config()).config(), loss.config());
  }
  const std::vector<Metric> metrics{Accuracy({.name = "a"}),
                                    BinaryAccuracy({.threshold = 0.3, .name = "b"}),
                                    CategoricalAccuracy(),
                                    SparseCategoricalAccuracy({.name = "top"}),
                                    metrics::MeanSquaredError(),
                                    metrics::MeanAbsoluteError({.name = "error"}),
                                    "accuracy",
                                    "acc",
                                    "mse"};
  for (const Metric& metric : metrics) {
    const Metric again = metric_from_config(metric.config());
    EXPECT_EQ(again.config(), metric.config());
    EXPECT_EQ(again.name(), metric.name());
  }
  const std::vector<Optimizer> optimizers{
      SGD({.learning_rate = 0.2, .momentum = 0.9, .nesterov = true, .clipnorm = 1.0}),
      Adam({.beta_1 = 0.8, .beta_2 = 0.99, .epsilon = 1e-3, .amsgrad = true, .weight_decay = 0.1}),
      AdamW({.weight_decay = 0.02, .global_clipnorm = 3.0}),
      RMSprop({.rho = 0.8, .momentum = 0.1, .epsilon = 1e-4, .centered = true, .clipvalue = 2.0}),
      LossScaleOptimizer(SGD({.learning_rate = 0.3}),
                         {.initial_scale = 64.0, .dynamic_growth_steps = 10})};
  for (const Optimizer& optimizer : optimizers) {
    EXPECT_EQ(optimizer_from_config(optimizer.config()).config(), optimizer.config());
  }
}

TEST(LossMetricAndOptimizerConfig, mistakes_are_named_with_their_place) {
  const auto object = [](const char* class_name, Config config = Config::map()) {
    return Config::map({{"class_name", class_name}, {"config", std::move(config)}});
  };
  EXPECT_TRUE(contains(message_of<ValueError>([&] { loss_from_config(object("MeanSquareError")); }),
                       "loss_from_config: there is no loss class \"MeanSquareError\"; did you mean "
                       "\"MeanSquaredError\"?"));
  EXPECT_TRUE(
      contains(message_of<ValueError>([&] {
                 loss_from_config(object("MeanSquaredError", Config::map({{"reductoin", "sum"}})));
               }),
               "loss_from_config: MeanSquaredError: there is no key \"reductoin\"; did you mean "
               "\"reduction\"?"));
  EXPECT_TRUE(contains(message_of<ValueError>([&] {
                         optimizer_from_config(object(
                             "Adam", Config::map({{"learning_rate", object("CosineDecay")}})));
                       }),
                       "CosineDecay"));
  EXPECT_TRUE(
      contains(message_of<ValueError>([&] {
                 optimizer_from_config(object("SGD", Config::map({{"loss_scale_factor", 2.0}})));
               }),
               "SGD.loss_scale_factor: expected null, since this is not offered here"));
  EXPECT_TRUE(contains(message_of<ValueError>([&] { metric_from_config(object("F2Score")); }),
                       "there is no metric class \"F2Score\"; did you mean \"F1Score\"?"));
  EXPECT_TRUE(
      contains(message_of<ValueError>([&] { optimizer_from_config(object("LossScaleOptimizer")); }),
               "LossScaleOptimizer: expected the key \"inner_optimizer\", received none"));
}

}  // namespace
}  // namespace stoker

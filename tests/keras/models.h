// The models that are exchanged with Keras: each has inputs, and targets to train on.
#pragma once

#include <stoker/stoker.h>

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace stoker::test {

inline constexpr std::int64_t kRows = 4;
inline constexpr double kLearningRate = 0x1p-10;  // Keras keeps a float32.

struct Exchanged {
  Model model;
  std::vector<Tensor> inputs;
  std::vector<Tensor> targets{};
  bool has_dropout = false;  // Random numbers differ between the two sides.
  bool trains_alike = true;  // Whether the trained models are compared too.
};

inline Tensor classes_below(std::int32_t classes) {
  Tensor labels({kRows}, DType::int32);
  std::int32_t next = 0;
  for (std::int32_t& label : labels.data<std::int32_t>()) label = next++ % classes;
  return labels;
}

// Layers whose configuration is not the default, one after the other.
inline Exchanged sequential(const std::string& policy) {
  Sequential model(
      {
          Input({8, 8, 2}),
          Rescaling(0.5),
          Conv2D(
              4, {3, 2},
              {.padding = "same", .groups = 2, .activation = "gelu", .kernel_regularizer = "l2"}),
          BatchNormalization({.axis = 1, .momentum = 0.8}),
          ReLU({.max_value = 6}),
          MaxPooling2D(),
          AveragePooling2D({2, 1}, {.padding = "same"}),
          Dropout(0.2, {.noise_shape = {-1, 1, 1, 4}, .seed = 3}),
          Reshape({-1, 4}),
          Flatten(),
          Dense(3, {.activation = "softmax",
                    .kernel_initializer = Orthogonal(),
                    .bias_initializer = Constant(0.5)}),
      },
      {.dtype_policy = policy});
  model.compile({.optimizer = AdamW({.learning_rate = kLearningRate, .clipnorm = 1.0}),
                 .loss = SparseCategoricalCrossentropy(),
                 .metrics = {"accuracy", SparseCategoricalAccuracy({.name = "x"})}});
  return {std::move(model),
          {Tensor::normal({kRows, 8, 8, 2}, 0.0f, 1.0f, 1)},
          {classes_below(3)},
          true};
}

// Three inputs, one of them of numbers, a layer that is called twice, and every layer that merges.
inline Exchanged functional(const std::string& policy) {
  const Value a = Input({6}, {.name = "a"});
  const Value b = Input({6}, {.name = "b"});
  const Value ids = Input({3}, {.dtype = "int32", .name = "ids"});
  const Layer shared = Dense(5, {.activation = "relu"});
  const Value first = shared(a);
  const Value sum = Add()({first, shared(b)});
  const Value all =
      Concatenate()({Activation("tanh")(sum), first, Subtract()({sum, first}),
                     Multiply()({sum, first}), Average()({sum, first}), Maximum()({sum, first}),
                     Minimum()({sum, first}), Flatten()(Embedding(10, 5)(ids))});
  Model model({b, a, ids}, Dense(1)(all), {.dtype_policy = policy});
  model.compile({.optimizer = RMSprop({.learning_rate = kLearningRate}), .loss = "mae"});
  Tensor numbers({kRows, 3}, DType::int32);
  std::int32_t next = 0;
  for (std::int32_t& number : numbers.data<std::int32_t>()) number = next++ * 7 % 10;
  return {std::move(model),
          {Tensor::normal({kRows, 6}, 0.0f, 1.0f, 2), Tensor::normal({kRows, 6}, 0.0f, 1.0f, 3),
           numbers},
          {Tensor::normal({kRows, 1}, 0.0f, 1.0f, 7)}};
}

// Two outputs, compiled by name: one with a metric of each kind, and the other with two.
inline Exchanged several(const std::string& policy) {
  const Value first = Input({6}, {.name = "first"});
  const Value second = Input({4}, {.name = "second"});
  const Value wide = Dense(7, {.activation = "tanh", .name = "wide"})(first);
  const Value both = Concatenate(-1, {.name = "both"})({second, wide});
  const Value kind = Dense(3, {.activation = "softmax", .name = "kind"})(both);
  const Value price = Dense(2, {.name = "price"})(Dense(5, {.activation = "elu"})(both));
  Model model({first, second}, {kind, price}, {.dtype_policy = policy});
  model.compile({.optimizer = Adam({.learning_rate = kLearningRate}),
                 .loss = {{"price", "mse"}, {"kind", SparseCategoricalCrossentropy()}},
                 .loss_weights = {{"kind", 0.75}, {"price", 2.0}},
                 .metrics = {{"price", {"mae", "mse"}}, {"kind", {"accuracy"}}},
                 .weighted_metrics = {{"kind", {"accuracy"}}}});
  return {std::move(model),
          {Tensor::normal({kRows, 6}, 0.0f, 1.0f, 4), Tensor::normal({kRows, 4}, 0.0f, 1.0f, 5)},
          {classes_below(3), Tensor::normal({kRows, 2}, 0.0f, 1.0f, 8)}};
}

// Models in a model: a stack, one of two outputs that is called twice, a frozen one within one, and
// one that gives the output.
inline Exchanged nested(const std::string& policy) {
  const ModelOptions options{.dtype_policy = policy};
  const auto named = [&](const char* name) {
    ModelOptions with_name = options;
    with_name.name = name;
    return with_name;
  };
  Sequential stack({Input({5}), Dense(6, {.activation = "relu"}), BatchNormalization(), Dense(5)},
                   named("stack"));
  const Value half_input = Input({5});
  const Value half = Dense(4, {.activation = "tanh"})(half_input);
  Model halves(half_input, {half, Dense(3)(half)}, named("halves"));
  Sequential still({Input({4}), Dense(4), Dropout(0.5)}, named("still"));
  still.set_trainable(false);
  const Value tail_input = Input({4});
  Model tail(tail_input, Dense(2, {.activation = "tanh"})(still(tail_input)), named("tail"));

  const Value x = Input({5}, {.name = "x"});
  const std::vector<Value> first = halves.call({x});
  const std::vector<Value> again = halves.call({stack(x)});
  const Value sides = Dense(4)(Concatenate()({first[1], again[1]}));
  Model model(x, tail(Add()({first[0], again[0], sides})), options);
  model.compile({.optimizer = SGD({.learning_rate = kLearningRate}), .loss = "mse"});
  return {std::move(model),
          {Tensor::normal({kRows, 5}, 0.0f, 1.0f, 6)},
          {Tensor::normal({kRows, 2}, 0.0f, 1.0f, 9)},
          true};
}

// Layers that normalise, reshape and disturb, one after the other, and Dot. SpatialDropout is not
// among them, because Keras writes its dtype as float32 under every policy.
inline Exchanged shaped(const std::string& policy) {
  const Value x = Input({6, 5, 2}, {.name = "x"});
  const Layer before[] = {
      Normalization({.mean = {0.5, -0.5}, .variance = {2.0, 0.5}}),
      Resizing(7, 6),
      ZeroPadding2D({1, {0, 2}}),
      Conv2D(4, 3, {.padding = "same"}),
      LayerNormalization({.axis = {1, 3}}),
      PReLU({.alpha_initializer = Constant(0.25), .shared_axes = {1, 2}}),
      GroupNormalization({.groups = 2}),
      LeakyReLU(),
      RMSNormalization(),
      ELU({.alpha = 0.5}),
      GaussianNoise(0.1),
      GaussianDropout(0.1),
      AlphaDropout(0.1),
      Softmax({.axis = {1, 2}}),
      UnitNormalization({.axis = 1}),
      Permute({2, 3, 1}),
      UpSampling2D({2, 1}),
      UpSampling2D(2, {.interpolation = "bilinear"}),
      Cropping2D({1, {0, 1}}),
      CenterCrop(5, 4),
  };
  Value y = x;
  for (const Layer& layer : before) y = layer(y);
  const Value means = GlobalMaxPooling2D()(y);
  const Value steps = UpSampling1D(2)(Cropping1D()(RepeatVector(4)(means)));
  const Value joined = Dot(-1)({GlobalAveragePooling1D()(ZeroPadding1D(1)(steps)), means});
  const Value product = Dot({2, 1}, {.normalize = true})({steps, Permute({2, 1})(steps)});
  const Value all = Concatenate()({joined, Identity()(GlobalMaxPooling1D()(product)), means});
  Model model(x, Dense(2)(all), {.dtype_policy = policy});
  model.compile({.optimizer = SGD({.learning_rate = kLearningRate}), .loss = "mse"});
  return {std::move(model),
          {Tensor::normal({kRows, 6, 5, 2}, 0.0f, 1.0f, 11)},
          {Tensor::normal({kRows, 2}, 0.0f, 1.0f, 12)},
          true};
}

// Tokens with a mask, which hides one sample wholly, and every layer of attention.
inline Exchanged attention(const std::string& policy) {
  const Value tokens = Input({7}, {.dtype = "int32", .name = "tokens"});
  const Value other = Input({5, 6}, {.name = "other"});
  Value x = Embedding(10, 6, {.mask_zero = true})(tokens);
  x = MultiHeadAttention(2, 4, {.attention_axes = Axes{1}})({x, x}, {.use_causal_mask = true});
  x = GroupQueryAttention(3, 4, 2, {.use_gate = true})({x, other});
  x = GroupQueryAttention(2, 2, 1)({x, x}, {.use_causal_mask = true});
  const MultiHeadAttentionOptions options{
      .use_bias = false, .attention_axes = Axes{1}, .sliding_window = 3, .use_gate = true};
  // Keras's MultiHeadAttention takes the masks off its inputs, so that layers which come after it
  // would not see them.
  const Value all = Add()(
      {Attention({.use_scale = true})({other, x}), Attention({.score_mode = "concat"})({other, x}),
       AdditiveAttention()({other, x}), MultiHeadAttention(3, 2, options)({other, x})});
  const Value y = EinsumDense("abc,cd->abd", {-1, 4}, {.bias_axes = "d"})(all);
  Model model({tokens, other}, Dense(2)(GlobalAveragePooling1D()(y)), {.dtype_policy = policy});
  model.compile({.optimizer = SGD({.learning_rate = kLearningRate}), .loss = "mse"});
  Tensor numbers({kRows, 7}, DType::int32);
  const std::span<std::int32_t> all_numbers = numbers.data<std::int32_t>();
  for (std::size_t i = 0; i < all_numbers.size(); ++i) {
    all_numbers[i] = i < 21 ? static_cast<std::int32_t>(i * 7 % 10) : 0;
  }
  return {std::move(model),
          {numbers, Tensor::normal({kRows, 5, 6}, 0.0f, 1.0f, 3)},
          {Tensor::normal({kRows, 2}, 0.0f, 1.0f, 4)}};
}

// Convolutions and pooling of sequences, and of the images that are made of them.
inline Exchanged convolutions(const std::string& policy) {
  Sequential model(
      {
          Input({12, 3}),
          Conv1D(4, 3, {.padding = "causal", .dilation_rate = 2, .activation = "tanh"}),
          DepthwiseConv1D(3, {.padding = "same", .depth_multiplier = 2}),
          MaxPooling1D(),
          Conv1DTranspose(4, 3, {.strides = 2, .padding = "same", .output_padding = 1}),
          AveragePooling1D(3, {.strides = 1, .padding = "same"}),
          SeparableConv1D(4, 2, {.padding = "same"}),
          Reshape({4, 3, 4}),
          SeparableConv2D(4, 2, {.padding = "same", .depth_multiplier = 2, .activation = "tanh"}),
          DepthwiseConv2D(3, {.padding = "same", .depthwise_regularizer = "l2"}),
          Conv2DTranspose(3, {2, 3}, {.strides = 2, .activation = "sigmoid"}),
          Flatten(),
          Dense(2),
      },
      {.dtype_policy = policy});
  model.compile({.optimizer = SGD({.learning_rate = kLearningRate}), .loss = "mse"});
  return {std::move(model),
          {Tensor::normal({kRows, 12, 3}, 0.0f, 1.0f, 1)},
          {Tensor::normal({kRows, 2}, 0.0f, 1.0f, 2)}};
}

// Recurrent layers: states that lead from one to the next, masks, cells, both directions, images.
inline Exchanged recurrent(const std::string& policy) {
  const Value x = Input({6, 8}, {.name = "x"});
  const std::vector<Value> encoded =
      LSTM(5, {.return_sequences = true, .return_state = true, .name = "encoder"}).call({x});
  const Value decoded = LSTM(5, {.unit_forget_bias = false})({x, encoded[1], encoded[2]});
  const Value gru = GRU(5, {.go_backwards = true, .reset_after = false})(
      {encoded[0], SimpleRNN(5, {.activation = "softsign"})(x)});
  const Value masked = Masking({.mask_value = 1.0})(x);
  const Value both =
      Bidirectional(GRU(3, {.return_sequences = true}), {.merge_mode = "sum"})(masked);
  const Value stacked = RNN({LSTMCell(4), GRUCell(3, {.activation = "elu"}), SimpleRNNCell(4)},
                            {.zero_output_for_mask = true})(both);
  const Value images = TimeDistributed(Reshape({2, 2, 2}))(x);
  const Value video = ConvLSTM2D(2, 2, {.padding = "same"})(images);
  const Value states = Bidirectional(LSTM(2))(
      {x, Dense(2)(gru), Dense(2)(decoded), Dense(2)(stacked), Dense(2)(gru)});
  const Value all =
      Concatenate()({decoded, gru, stacked, Flatten()(video), states,
                     Flatten()(TimeDistributed(Dense(2, {.activation = "tanh"}))(encoded[0]))});
  Model model(x, Dense(2)(all), {.dtype_policy = policy});
  model.compile({.optimizer = SGD({.learning_rate = kLearningRate}), .loss = "mse"});
  Tensor numbers = Tensor::normal({kRows, 6, 8}, 0.0f, 1.0f, 1);
  // Steps that the mask leaves out: at the beginning, in the middle, and a sample as a whole.
  for (const std::int64_t step : {0, 1, 8, 12, 13, 14, 15, 16, 17, 23}) {
    for (std::int64_t k = 0; k < 8; ++k) {
      numbers.data<float>()[static_cast<std::size_t>(step * 8 + k)] = 1.0f;
    }
  }
  return {std::move(model), {numbers}, {Tensor::normal({kRows, 2}, 0.0f, 1.0f, 2)}};
}

// A stack that keeps its states from batch to batch. What it predicts depends on what came before,
// so that it is not among the models that are compared after training.
inline Exchanged stateful(const std::string& policy) {
  Sequential model(
      {Input({6, 4}, {.batch_size = kRows}), LSTM(5, {.return_sequences = true, .stateful = true}),
       Bidirectional(GRU(3, {.stateful = true})), Dense(2)},
      {.dtype_policy = policy});
  model.compile({.optimizer = SGD({.learning_rate = kLearningRate}), .loss = "mse"});
  return {std::move(model),
          {Tensor::normal({kRows, 6, 4}, 0.0f, 1.0f, 1)},
          {Tensor::normal({kRows, 2}, 0.0f, 1.0f, 2)},
          false,
          false};
}

// Layers around layers that share a weight with them, whose training differs on JAX.
inline Exchanged spectral(const std::string& policy) {
  Sequential model({Input({6, 5, 2}),
                    SpectralNormalization(Conv2D(4, 3, {.activation = "tanh"}), {.name = "images"}),
                    Flatten(), SpectralNormalization(Dense(5), {.power_iterations = 2}), Dense(2)},
                   {.dtype_policy = policy});
  model.compile({.optimizer = Adam({.learning_rate = kLearningRate}), .loss = "mse"});
  return {std::move(model),
          {Tensor::normal({kRows, 6, 5, 2}, 0.0f, 1.0f, 1)},
          {Tensor::normal({kRows, 2}, 0.0f, 1.0f, 2)},
          false,
          false};
}

// A table that is used in both directions, and recurrent layers of rows and volumes.
inline Exchanged tied(const std::string& policy) {
  const Value ids = Input({4}, {.dtype = "int32", .name = "ids"});
  const Layer table = ReversibleEmbedding(7, 6, {.mask_zero = false, .logit_soft_cap = 8.0});
  const Layer apart = ReversibleEmbedding(7, 6, {.tie_weights = false});
  const Value vectors = Add()({table(ids), apart(ids)});
  const Value rows =
      ConvLSTM1D(3, 2, {.padding = "same", .return_sequences = true})(Reshape({4, 3, 2})(vectors));
  const Value solid =
      ConvLSTM3D(2, {1, 2, 1}, {.strides = {1, 1, 2}})(Reshape({3, 1, 3, 2, 2})(Flatten()(rows)));
  const Value hidden = Add()({Dense(6)(Flatten()(solid)), Dense(6)(Flatten()(vectors))});
  const Value logits = Add()({table(hidden, {.reverse = true}), apart(hidden, {.reverse = true})});
  Model model(ids, logits, {.dtype_policy = policy});
  model.compile({.optimizer = SGD({.learning_rate = kLearningRate}), .loss = "mse"});
  Tensor tokens({kRows, 4}, DType::int32);
  std::int32_t next = 0;
  for (std::int32_t& token : tokens.data<std::int32_t>()) token = next++ % 7;
  return {std::move(model), {tokens}, {Tensor::normal({kRows, 7}, 0.0f, 1.0f, 2)}};
}

inline std::map<std::string, Exchanged> models() {
  std::map<std::string, Exchanged> made;
  for (const std::string policy : {"float32", "mixed_bfloat16", "mixed_float16"}) {
    made.emplace("sequential_" + policy, sequential(policy));
    made.emplace("convolutions_" + policy, convolutions(policy));
    made.emplace("functional_" + policy, functional(policy));
    made.emplace("several_" + policy, several(policy));
    made.emplace("nested_" + policy, nested(policy));
  }
  // In 16 bits the roundings of so many layers add up beyond what is compared.
  made.emplace("shaped_float32", shaped("float32"));
  made.emplace("attention_float32", attention("float32"));
  made.emplace("recurrent_float32", recurrent("float32"));
  made.emplace("stateful_float32", stateful("float32"));
  made.emplace("spectral_float32", spectral("float32"));
  made.emplace("tied_float32", tied("float32"));
  return made;
}

}  // namespace stoker::test

// The networks that tests and benchmarks train, from images to ten classes as logits.
#pragma once

#include <cstdint>
#include <utility>

#include "stoker/layers.h"
#include "stoker/model.h"

namespace stoker::test {

// (None, 28, 28, 1) -> (None, 10): 101,770 parameters.
inline Value mlp(const Value& images) {
  return Dense(10)(Dense(128, {.activation = "relu"})(Flatten()(images)));
}

// (None, 28, 28, 1) -> (None, 10), as Keras's first example of a convolutional network ("Simple
// MNIST convnet") has it: 34,826 parameters.
inline Value cnn(const Value& images) {
  Value y = MaxPooling2D(2)(Conv2D(32, 3, {.activation = "relu"})(images));
  y = MaxPooling2D(2)(Conv2D(64, 3, {.activation = "relu"})(y));
  return Dense(10)(Dropout(0.5)(Flatten()(y)));
}

// Of ResNet-20.
inline Value convolve_and_normalize(const Value& x, std::int64_t filters, int kernel, int stride) {
  const Value y = Conv2D(
      filters, kernel,
      {.strides = stride, .padding = "same", .use_bias = false, .kernel_initializer = "he_normal"})(
      x);
  return BatchNormalization()(y);
}

inline Value residual_block(const Value& x, std::int64_t filters, int stride) {
  Value y = Activation("relu")(convolve_and_normalize(x, filters, 3, stride));
  y = convolve_and_normalize(y, filters, 3, 1);
  const Value shortcut = stride == 1 ? x : convolve_and_normalize(x, filters, 1, stride);
  return Activation("relu")(Add()({y, shortcut}));
}

// (None, 32, 32, 3) -> (None, 10): ResNet-20 for CIFAR (He, Zhang, Ren, Sun: "Deep residual
// learning for image recognition", 2015, section 4.2), whose shortcuts are 1x1 convolutions where
// shapes change (option B): 272,474 parameters that are trained.
inline Value resnet20(const Value& images) {
  Value x = Activation("relu")(convolve_and_normalize(images, 16, 3, 1));
  for (const std::int64_t filters : {16, 32, 64}) {
    for (int block = 0; block < 3; ++block) {
      x = residual_block(x, filters, filters > 16 && block == 0 ? 2 : 1);
    }
  }
  return Dense(10)(GlobalAveragePooling2D()(x));
}

// (None, 28, 28) -> (None, 10): the rows of an image as a sequence.
inline Value lstm(const Value& rows) { return Dense(10)(LSTM(128)(rows)); }
inline Value gru(const Value& rows) { return Dense(10)(GRU(128)(rows)); }

// A block of a transformer that normalises before each part (Xiong et al.: "On Layer Normalization
// in the Transformer Architecture", 2020).
inline Value transformer_block(Value x, std::int64_t heads, std::int64_t units) {
  const std::int64_t width = x.shape().back();
  const Value before = LayerNormalization()(x);
  x = Add()({x, MultiHeadAttention(heads, width / heads)({before, before})});
  const Value y = Dense(units, {.activation = "gelu"})(LayerNormalization()(x));
  return Add()({x, Dense(width)(y)});
}

// (None, 64) of 1000 tokens -> (None, 10): 525,706 parameters.
inline Value transformer(const Value& tokens) {
  Value x = Embedding(1000, 128)(tokens);
  for (int block = 0; block < 2; ++block) x = transformer_block(x, 4, 512);
  return Dense(10)(GlobalAveragePooling1D()(x));
}

// One of them as a model: network(mlp), network(resnet20, {32, 32, 3}).
inline Model network(Value (*layers)(const Value&), const Shape& image = {28, 28, 1},
                     ModelOptions options = {}) {
  const Value images = Input(image);
  return Model(images, layers(images), std::move(options));
}

}  // namespace stoker::test

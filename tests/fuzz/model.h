// The model whose files are fuzzed, and a short fit of it.
#pragma once

#include <stoker/stoker.h>

#include <utility>

namespace stoker::fuzz {

inline Sequential small_model() {
  Sequential model({Input({3}), Dense(4, {.activation = "relu"}), BatchNormalization(), Dense(2)},
                   {.seed = 7, .threads = 1, .device = Device::cpu()});
  model.compile({.optimizer = Adam(), .loss = "mse"});
  return model;
}

inline FitOptions small_fit() { return {.epochs = 2, .verbose = 0, .batch_size = 2}; }

inline void fit(Model& model, FitOptions options) {
  static const Tensor x = Tensor::full({4, 3}, 0.5f);
  static const Tensor y = Tensor::full({4, 2}, 0.25f);
  model.fit(x, y, std::move(options));
}

}  // namespace stoker::fuzz

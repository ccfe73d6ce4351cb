// Whole trainings on the device under test: against the CPU, against themselves, and launch by
// launch against captured.
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "support/device_under_test.h"
#include "support/networks.h"

namespace stoker {
namespace {

Device device() { return Device(test::device_under_test().device); }

bool is_tf32() {
  const char* value = std::getenv("STOKER_TF32");
  return value == nullptr || std::string_view(value) != "0";
}

Sequential mlp(const Device& on) {
  return Sequential({Input({12, 12, 1}), Flatten(), Dense(64, {.activation = "relu"}), Dense(4)},
                    {.seed = 3, .device = on});
}

Sequential cnn(const Device& on) {
  return Sequential(
      {Input({12, 12, 1}), Conv2D(8, 3, {.activation = "relu"}), BatchNormalization(),
       MaxPooling2D(2), Conv2D(16, 3, {.activation = "relu"}), Flatten(), Dropout(0.25), Dense(4)},
      {.seed = 3, .device = on});
}

// Two residual blocks, the second one with a shortcut of its own.
Model residual(const Device& on) {
  const Value images = Input({12, 12, 1});
  Value x = Activation("relu")(test::convolve_and_normalize(images, 8, 3, 1));
  x = test::residual_block(x, 8, 1);
  x = test::residual_block(x, 16, 2);
  return Model(images, Dense(4)(GlobalAveragePooling2D()(x)), {.seed = 3, .device = on});
}

// Paths that part and meet again in each way there is.
Model merged(const Device& on) {
  const Value images = Input({12, 12, 1});
  const Value x = Dense(16, {.activation = "relu"})(Flatten()(images));
  const Value a = Dense(16, {.activation = "tanh"})(x);
  const Value b = Dense(16)(x);
  const Value sums = Add()({Multiply()({a, b}), Subtract()({a, x})});
  const Value chosen = Average()({Maximum()({a, b}), Minimum()({b, x})});
  return Model(images, Dense(4)(Concatenate()({sums, chosen, x})), {.seed = 3, .device = on});
}

// Pixels as words: many uses of few rows, and rows that nobody uses.
Sequential words(const Device& on) {
  return Sequential(
      {Input({12, 12, 1}), Rescaling(20.0), Flatten(), Embedding(40, 6), Flatten(), Dense(4)},
      {.seed = 3, .device = on});
}

Sequential mixed_cnn(const Device& on, const std::string& policy) {
  return Sequential({Input({12, 12, 1}), Conv2D(8, 3, {.activation = "relu"}), BatchNormalization(),
                     MaxPooling2D(2), Conv2D(16, 3, {.activation = "relu"}), Flatten(), Dense(4)},
                    {.seed = 3, .device = on, .dtype_policy = policy});
}

// Four classes of images, told apart by which quarter is bright.
auto quarters() {
  return generator<float, std::int32_t>(
      {.x = {32, 12, 12, 1}, .y = {32}},
      [](BatchContext& batch, std::span<float> x, std::span<std::int32_t> y) {
        for (std::size_t row = 0; row < y.size(); ++row) {
          const auto label = static_cast<std::int32_t>(batch.random.integer(0, 4));
          y[row] = label;
          for (std::int32_t i = 0; i < 144; ++i) {
            const bool bright = (i / 12 >= 6) == (label >= 2) && (i % 12 >= 6) == (label % 2 == 1);
            x[row * 144 + static_cast<std::size_t>(i)] =
                batch.random.uniform() * 0.5f + (bright ? 0.5f : 0.0f);
          }
        }
      });
}

struct Outcome {
  std::vector<double> losses;  // by epoch
  std::vector<Tensor> weights;
};

Outcome train(Model model, const Optimizer& optimizer, bool eagerly = false) {
  model.compile({.optimizer = optimizer,
                 .loss = SparseCategoricalCrossentropy({.from_logits = true}),
                 .metrics = {"accuracy"},
                 .run_eagerly = eagerly});
  auto batches = quarters();
  const History history =
      model.fit_generator(batches, {.steps_per_epoch = 5, .epochs = 4, .verbose = 0});
  return {history["loss"], model.get_weights()};
}

void expect_same_bits(const Outcome& a, const Outcome& b) {
  EXPECT_EQ(a.losses, b.losses);
  ASSERT_EQ(a.weights.size(), b.weights.size());
  for (std::size_t i = 0; i < a.weights.size(); ++i) {
    ASSERT_EQ(a.weights[i].bytes(), b.weights[i].bytes());
    EXPECT_EQ(std::memcmp(a.weights[i].raw(), b.weights[i].raw(), a.weights[i].bytes()), 0)
        << "weight " << i;
  }
}

// Rounding grows along a trajectory: slowly, because the learning rates are small.
double usual_tolerance() { return is_tf32() ? 2e-2 : 1e-4; }

void expect_close(const Outcome& received, const Outcome& expected,
                  double tolerance = usual_tolerance()) {
  ASSERT_EQ(received.losses.size(), expected.losses.size());
  for (std::size_t i = 0; i < expected.losses.size(); ++i) {
    EXPECT_NEAR(received.losses[i], expected.losses[i], tolerance * (1.0 + expected.losses[i]))
        << "epoch " << i;
  }
  EXPECT_LT(received.losses.back(), received.losses.front());
  for (std::size_t i = 0; i < expected.weights.size(); ++i) {
    const auto a = received.weights[i].data<float>();
    const auto b = expected.weights[i].data<float>();
    double difference = 0.0, size = 0.0;
    for (std::size_t k = 0; k < b.size(); ++k) {
      difference += (a[k] - b[k]) * static_cast<double>(a[k] - b[k]);
      size += static_cast<double>(b[k]) * b[k];
    }
    EXPECT_LE(std::sqrt(difference), tolerance * (1.0 + std::sqrt(size))) << "weight " << i;
  }
}

const Optimizer kSlow = SGD({.learning_rate = 0.02, .momentum = 0.9});

TEST(GpuTraining, a_dense_network_follows_the_cpu) {
  expect_close(train(mlp(device()), kSlow), train(mlp(Device::cpu()), kSlow));
}

TEST(GpuTraining, a_convolutional_network_follows_the_cpu) {
  expect_close(train(cnn(device()), kSlow), train(cnn(Device::cpu()), kSlow));
}

TEST(GpuTraining, a_residual_network_follows_the_cpu) {
  expect_close(train(residual(device()), kSlow), train(residual(Device::cpu()), kSlow));
}

TEST(GpuTraining, adam_follows_the_cpu) {
  const Optimizer adam = Adam({.learning_rate = 1e-3, .epsilon = 1e-3});
  expect_close(train(cnn(device()), adam), train(cnn(Device::cpu()), adam));
}

TEST(GpuTraining, a_network_of_many_paths_follows_the_cpu) {
  expect_close(train(merged(device()), kSlow), train(merged(Device::cpu()), kSlow));
}

TEST(GpuTraining, an_embedding_follows_the_cpu) {
  expect_close(train(words(device()), kSlow), train(words(Device::cpu()), kSlow));
}

// What is rounded to 16 bits in another order differs by more than float32's sums do.
TEST(GpuMixedPrecision, bfloat16_follows_the_cpu) {
  expect_close(train(mixed_cnn(device(), "mixed_bfloat16"), kSlow),
               train(mixed_cnn(Device::cpu(), "mixed_bfloat16"), kSlow), 5e-2);
}

TEST(GpuMixedPrecision, float16_with_a_scaled_loss_follows_the_cpu) {
  const Optimizer scaled = LossScaleOptimizer(kSlow, {.initial_scale = 1024.0});
  expect_close(train(mixed_cnn(device(), "mixed_float16"), scaled),
               train(mixed_cnn(Device::cpu(), "mixed_float16"), scaled), 2e-2);
}

TEST(GpuMixedPrecision, captured_steps_give_the_bits_of_single_launches) {
  for (const char* policy : {"mixed_bfloat16", "mixed_float16"}) {
    setenv("STOKER_CUDA_GRAPHS", "0", 1);
    const Outcome single = train(mixed_cnn(device(), policy), kSlow);
    unsetenv("STOKER_CUDA_GRAPHS");
    expect_same_bits(train(mixed_cnn(device(), policy), kSlow), single);
  }
}

// Large enough for the engines that large products get. TF32 keeps 3e-4 of it.
TEST(GpuProducts, of_512_are_as_exact_as_their_numbers) {
  constexpr std::int64_t kSize = 512;
  Sequential model({Input({kSize}), Dense(kSize, {.use_bias = false})}, {.device = device()});
  const Tensor x = Tensor::normal({kSize, kSize}, 0.0f, 1.0f, 5);
  const Tensor y = model.predict(x, {.batch_size = kSize});
  const Tensor w = model.get_weights()[0];
  const auto a = x.data<float>(), b = w.data<float>(), received = y.data<float>();
  double error = 0.0, size = 0.0;
  std::vector<double> row(kSize);
  for (std::size_t i = 0; i < kSize; ++i) {
    std::fill(row.begin(), row.end(), 0.0);
    for (std::size_t k = 0; k < kSize; ++k) {
      for (std::size_t j = 0; j < kSize; ++j) {
        row[j] += static_cast<double>(a[i * kSize + k]) * b[k * kSize + j];
      }
    }
    for (std::size_t j = 0; j < kSize; ++j) {
      error += std::pow(received[i * kSize + j] - row[j], 2);
      size += row[j] * row[j];
    }
  }
  const double relative = std::sqrt(error / size);
  std::cout << "a product of 512^3 is off by " << relative << '\n';
  EXPECT_LT(relative, is_tf32() ? 1e-3 : 1e-5);
}

TEST(GpuTraining, captured_steps_give_the_bits_of_single_launches) {
  for (const auto& build : {mlp, cnn, words}) {
    setenv("STOKER_CUDA_GRAPHS", "0", 1);
    const Outcome single = train(build(device()), kSlow);
    unsetenv("STOKER_CUDA_GRAPHS");
    expect_same_bits(train(build(device()), kSlow), single);
  }
}

// Without the passes too.
TEST(GpuTraining, run_eagerly_follows_the_compiled_step) {
  expect_close(train(cnn(device()), kSlow, true), train(cnn(device()), kSlow));
}

TEST(GpuTraining, the_same_seed_gives_the_same_bits) {
  expect_same_bits(train(cnn(device()), kSlow), train(cnn(device()), kSlow));
}

}  // namespace
}  // namespace stoker

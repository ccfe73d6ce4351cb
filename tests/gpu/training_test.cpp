// Whole trainings on the device under test: against the CPU, against themselves, and launch by
// launch against captured.
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <vector>

#include "support/device_under_test.h"
#include "support/resnet20.h"

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
void expect_close(const Outcome& received, const Outcome& expected) {
  const double tolerance = is_tf32() ? 2e-2 : 1e-4;
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

TEST(GpuTraining, captured_steps_give_the_bits_of_single_launches) {
  for (const auto& build : {mlp, cnn}) {
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

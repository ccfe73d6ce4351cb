// Layers for images in models that train: behind bytes, behind layers that need a gradient, and in
// mixed precision.
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

namespace stoker {
namespace {

std::vector<Layer> all_layers() {
  return {RandomHue(0.5),
          RandomSaturation(0.6, {.value_range = {0.0, 1.0}}),
          RandomSharpness(1.0),
          RandomColorJitter({.brightness_factor = 0.2, .contrast_factor = 0.2, .hue_factor = 0.3}),
          RandomGaussianBlur({.kernel_size = {5, 3}}),
          AutoContrast(),
          Equalization(),
          ContrastLimitedAdaptiveHistogramEqualization({.tile_grid_size = 2}),
          RandomPerspective(),
          RandomElasticTransform(),
          RandomErasing(),
          MixUp(),
          CutMix(),
          RandAugment(),
          AugMix({.num_chains = 2, .chain_depth = 1})};
}

Tensor images(DType dtype) {
  Tensor x({4, 7, 6, 3}, dtype);
  for (std::size_t i = 0; i < 4 * 7 * 6 * 3; ++i) {
    const auto value = static_cast<int>(i * 7919 % 251);
    if (dtype == DType::uint8) {
      x.data<std::uint8_t>()[i] = static_cast<std::uint8_t>(value);
    } else {
      x.data<float>()[i] = static_cast<float>(value);
    }
  }
  return x;
}

double loss_after_steps(const std::vector<Layer>& layers, const Tensor& x,
                        const std::string& policy = "float32") {
  Sequential model(layers, {.device = Device::cpu(), .dtype_policy = policy});
  model.compile({.optimizer = SGD({.learning_rate = 1e-7}), .loss = "mse"});
  const Tensor y({4, 1});
  double loss = 0.0;
  for (int step = 0; step < 3; ++step) loss = model.train_on_batch(x, y).loss();
  EXPECT_EQ(model.predict(x).shape(), (Shape{4, 1}));
  return loss;
}

TEST(ImageTraining, takes_bytes) {
  for (const Layer& layer : all_layers()) {
    EXPECT_TRUE(std::isfinite(loss_after_steps(
        {Input({7, 6, 3}, {.dtype = "uint8"}), layer, Flatten(), Dense(1)}, images(DType::uint8))));
  }
}

TEST(ImageTraining, has_gradients) {
  for (const Layer& layer : all_layers()) {
    EXPECT_TRUE(std::isfinite(loss_after_steps(
        {Input({7, 6, 3}), Conv2D(3, 3, {.padding = "same"}), layer, Flatten(), Dense(1)},
        images(DType::float32))));
  }
}

TEST(ImageTraining, computes_in_mixed_precision) {
  for (const Layer& layer : all_layers()) {
    EXPECT_TRUE(std::isfinite(loss_after_steps({Input({7, 6, 3}), layer, Flatten(), Dense(1)},
                                               images(DType::float32), "mixed_bfloat16")));
  }
}

TEST(ImageTraining, mixes_labels_that_are_an_input) {
  const Value x = Input({7, 6, 3}), y = Input({2});
  const std::vector<Value> mixed = MixUp({.alpha = 1.0}).call({x, y});
  ASSERT_EQ(mixed.size(), 2U);
  EXPECT_EQ(mixed[1].shape(), (Shape{Shape::kUnknown, 2}));
  Model model({x, y}, {mixed[0], mixed[1]}, {.device = Device::cpu()});
  const std::vector<Tensor> outputs =
      model.predict_outputs({images(DType::float32), Tensor({4, 2})});
  EXPECT_EQ(outputs[0].shape(), (Shape{4, 7, 6, 3}));
  EXPECT_EQ(outputs[1].shape(), (Shape{4, 2}));
}

}  // namespace
}  // namespace stoker

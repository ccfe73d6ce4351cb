// What layers compute where no golden case shows it: other axes and ranks, whole numbers, mixed
// precision, training, and the simulated device.
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <cmath>
#include <string>
#include <vector>

#include "support/contains.h"
#include "support/message.h"

namespace stoker {
namespace {

using Numbers = std::vector<float>;

Numbers values_of(const Tensor& x) {
  const auto values = x.data<float>();
  return {values.begin(), values.end()};
}

Tensor predicted(const Layer& layer, const Tensor& x) {
  Sequential model({Input(x.shape().without_batch()), layer}, {.device = Device::cpu()});
  return model.predict(x);
}

Tensor counted(Shape shape) {
  Tensor x(shape);
  float next = 0.0f;
  for (float& value : x.data<float>()) value = ++next;
  return x;
}

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

TEST(Reshaping, of_volumes_moves_each_voxel) {
  const Tensor x = counted({1, 2, 2, 2, 1});
  const Numbers padded = values_of(predicted(ZeroPadding3D({{1, 0}, 0, {0, 1}}), x));
  EXPECT_EQ(padded, (Numbers{0, 0, 0, 0, 0, 0, 1, 2, 0, 3, 4, 0, 5, 6, 0, 7, 8, 0}));
  EXPECT_EQ(values_of(predicted(Cropping3D({{1, 0}, {0, 1}, 0}), x)), (Numbers{5, 6}));
  EXPECT_EQ(values_of(predicted(UpSampling3D({1, 1, 2}), x)),
            (Numbers{1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8}));
  EXPECT_EQ(values_of(predicted(UpSampling3D({2, 1, 1}), x)),
            (Numbers{1, 2, 3, 4, 1, 2, 3, 4, 5, 6, 7, 8, 5, 6, 7, 8}));
  EXPECT_EQ(values_of(predicted(Permute({3, 1, 2, 4}), x)), (Numbers{1, 3, 5, 7, 2, 4, 6, 8}));
  EXPECT_EQ(values_of(predicted(GlobalMaxPooling3D(), x)), Numbers{8});
  EXPECT_EQ(values_of(predicted(GlobalAveragePooling3D(), x)), Numbers{4.5f});
}

// The number that an Embedding behind the layer complains of.
std::string complaint(const Layer& layer, Shape shape, std::int32_t number) {
  const Value ids = Input(shape.without_batch(), {.dtype = "int32"});
  Model model(ids, Embedding(2, 1)(layer(ids)), {.device = Device::cpu()});
  return test::message_of<DataError>(
      [&] { model.predict(Tensor::from<std::int32_t>(shape, {number})); });
}

TEST(Reshaping, of_whole_numbers_is_exact) {
  const std::int32_t large = (1 << 24) + 1;  // float32 does not hold it.
  EXPECT_TRUE(test::contains(complaint(RepeatVector(3), {1, 1}, large), "16777217"));
  EXPECT_TRUE(test::contains(complaint(UpSampling1D(5), {1, 1, 1}, large), "16777217"));
  EXPECT_TRUE(test::contains(complaint(ZeroPadding1D(1), {1, 1, 1}, large), "16777217"));
}

TEST(Reshaping, repeats_whole_numbers_as_it_does_others) {
  const Tensor x = Tensor::from<std::uint8_t>({1, 2, 2}, {1, 2, 3, 4});
  Sequential model({Input({2, 2}, {.dtype = "uint8"}), UpSampling1D(3), Rescaling(1.0)});
  EXPECT_EQ(values_of(model.predict(x)), (Numbers{1, 2, 1, 2, 1, 2, 3, 4, 3, 4, 3, 4}));
}

TEST(Resizing, of_whole_numbers_rounds_halves_to_even) {
  const Tensor x = Tensor::from<std::uint8_t>({1, 1, 4, 1}, {0, 1, 2, 5});
  // The means of neighbours are 0.5 and 3.5.
  Sequential model({Input({1, 4, 1}, {.dtype = "uint8"}), Resizing(1, 2), Rescaling(1.0)});
  EXPECT_EQ(values_of(model.predict(x)), (Numbers{0, 4}));
}

TEST(Resizing, pads_both_sides_alike) {
  const Numbers y = values_of(predicted(
      Resizing(2, 4, {.pad_to_aspect_ratio = true, .fill_value = 9.0}), counted({1, 2, 2, 1})));
  EXPECT_EQ(y, (Numbers{9, 1, 2, 9, 9, 3, 4, 9}));
}

TEST(Softmax, along_any_axes_sums_to_1_over_them) {
  const Tensor x = Tensor::normal({3, 4, 5, 2}, 0.0f, 2.0f, 1);
  const Numbers y = values_of(predicted(Softmax({.axis = {1, 3}}), x));
  const auto in = x.data<float>();
  for (std::int64_t n = 0; n < 3; ++n) {
    for (std::int64_t k = 0; k < 5; ++k) {
      double total = 0.0;
      const auto index = [&](std::int64_t i, std::int64_t j) {
        return at(((n * 4 + i) * 5 + k) * 2 + j);
      };
      for (std::int64_t i = 0; i < 4; ++i) {
        for (std::int64_t j = 0; j < 2; ++j) total += std::exp(in[index(i, j)]);
      }
      for (std::int64_t i = 0; i < 4; ++i) {
        for (std::int64_t j = 0; j < 2; ++j) {
          EXPECT_NEAR(y[index(i, j)], std::exp(in[index(i, j)]) / total, 1e-6);
        }
      }
    }
  }
}

// (x - mean) / sqrt(variance + epsilon) over the middle axis.
TEST(LayerNormalization, of_an_axis_in_the_middle) {
  const Tensor x = Tensor::normal({2, 7, 3}, 5.0f, 2.0f, 2);
  const Numbers y = values_of(predicted(LayerNormalization({.axis = -2, .epsilon = 1e-2}), x));
  const auto in = x.data<float>();
  for (std::int64_t n = 0; n < 2; ++n) {
    for (std::int64_t c = 0; c < 3; ++c) {
      double mean = 0.0, variance = 0.0;
      for (std::int64_t i = 0; i < 7; ++i) mean += in[at((n * 7 + i) * 3 + c)] / 7.0;
      for (std::int64_t i = 0; i < 7; ++i) {
        variance += std::pow(in[at((n * 7 + i) * 3 + c)] - mean, 2) / 7.0;
      }
      for (std::int64_t i = 0; i < 7; ++i) {
        EXPECT_NEAR(y[at((n * 7 + i) * 3 + c)],
                    (in[at((n * 7 + i) * 3 + c)] - mean) / std::sqrt(variance + 1e-2), 1e-5);
      }
    }
  }
}

TEST(GroupNormalization, of_one_group_is_layer_normalization_of_all_axes) {
  const Tensor x = Tensor::normal({3, 4, 5, 6}, -2.0f, 3.0f, 3);
  const Numbers all = values_of(predicted(LayerNormalization({.axis = {1, 2, 3}}), x));
  for (const std::int64_t axis : {-1, 1, 2}) {
    const Numbers y = values_of(predicted(GroupNormalization({.groups = 1, .axis = axis}), x));
    for (std::size_t i = 0; i < y.size(); ++i) EXPECT_NEAR(y[i], all[i], 1e-5) << axis;
  }
}

TEST(UnitNormalization, leaves_zeros_and_their_gradients_finite) {
  const Tensor x = Tensor::from<float>({2, 2}, {0, 0, 3, 4});
  const Numbers y = values_of(predicted(UnitNormalization(), x));
  const Numbers expected{0, 0, 0.6f, 0.8f};
  for (std::size_t i = 0; i < y.size(); ++i) EXPECT_NEAR(y[i], expected[i], 1e-6) << i;
  Sequential model({Input({2}), Dense(2, {.kernel_initializer = "identity"}), UnitNormalization()});
  model.compile({.optimizer = SGD(), .loss = "mse"});
  for (int step = 0; step < 3; ++step) {
    EXPECT_TRUE(std::isfinite(model.train_on_batch(x, x).loss()));
  }
}

TEST(Dot, of_matrices_sums_over_any_axes) {
  const Value a = Input({4, 3}), b = Input({5, 4});
  Model model({a, b}, Dot({1, 2})({a, b}));
  const Tensor x = Tensor::normal({2, 4, 3}, 0.0f, 1.0f, 4);
  const Tensor z = Tensor::normal({2, 5, 4}, 0.0f, 1.0f, 5);
  const Tensor y = model.predict({x, z});
  ASSERT_EQ(y.shape(), (Shape{2, 3, 5}));
  for (std::int64_t n = 0; n < 2; ++n) {
    for (std::int64_t i = 0; i < 3; ++i) {
      for (std::int64_t j = 0; j < 5; ++j) {
        double sum = 0.0;
        for (std::int64_t k = 0; k < 4; ++k) {
          sum += static_cast<double>(x.data<float>()[at((n * 4 + k) * 3 + i)]) *
                 static_cast<double>(z.data<float>()[at((n * 5 + j) * 4 + k)]);
        }
        EXPECT_NEAR(y.data<float>()[at((n * 3 + i) * 5 + j)], sum, 1e-5);
      }
    }
  }
}

TEST(GlobalAveragePooling1D, leaves_masked_steps_out) {
  Sequential model({Input({3, 1}), Masking(), GlobalAveragePooling1D()});
  const Tensor x = Tensor::from<float>({2, 3, 1}, {1, 0, 3, 5, 0, 0});
  EXPECT_EQ(values_of(model.predict(x)), (Numbers{2, 5}));
}

TEST(Masks, are_refused_by_layers_that_move_steps) {
  for (const Layer& layer : {Permute({2, 1}), Cropping1D(), ZeroPadding1D(), UpSampling1D(),
                             GlobalMaxPooling1D(), RMSNormalization(), Softmax()}) {
    EXPECT_THROW(layer(Masking()(Input({4, 4}))), Error) << layer.class_name();
  }
}

TEST(Normalization, begins_with_what_it_has_learned_from_data) {
  const Layer layer = Normalization();
  const Tensor data = Tensor::from<std::int32_t>({4, 2}, {1, 10, 3, 10, 1, 10, 3, 10});
  adapt(layer, data);
  EXPECT_EQ(values_of(predicted(layer, Tensor::from<float>({1, 2}, {5, 10}))), (Numbers{3, 0}));
  EXPECT_THROW(adapt(layer, data), ValueError);  // It is in a model.
  EXPECT_THROW(adapt(Dense(3), data), ValueError);
  EXPECT_THROW(adapt(Normalization({.mean = {1}, .variance = {1}}), data), ValueError);
}

TEST(Normalization, learns_after_it_was_called_too) {
  const Layer layer = Normalization({.axis = {}});
  const Value x = Input({3});
  const Value y = layer(x);
  adapt(layer, Tensor::from<float>({2, 3}, {2, 4, 2, 4, 2, 4}));
  EXPECT_EQ(values_of(Model(x, y).predict(Tensor::from<float>({1, 3}, {3, 4, 2}))),
            (Numbers{0, 1, -1}));
}

TEST(Normalization, learns_the_same_from_batches_of_any_size) {
  const Tensor data = Tensor::normal({10, 3}, 20.0f, 3.0f, 1);
  const Layer whole = Normalization();
  const Layer batches = Normalization();
  adapt(whole, data);
  adapt(batches, array_source(data, Tensor({10, 1}), {.batch_size = 4}));
  const Numbers a = values_of(predicted(whole, data));
  const Numbers b = values_of(predicted(batches, data));
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 1e-5) << i;
}

TEST(Normalization, takes_given_numbers_for_one_axis_of_several) {
  const Layer layer = Normalization({.axis = {1, 2}, .mean = {1, 2}, .variance = {4}});
  EXPECT_EQ(values_of(predicted(layer, Tensor::from<float>({1, 2, 2}, {1, 2, 3, 4}))),
            (Numbers{0, 0, 1, 1}));
  const Layer inverse = Normalization({.mean = {1}, .variance = {4}, .invert = true});
  EXPECT_EQ(values_of(predicted(inverse, Tensor::from<float>({1, 2}, {0, 1}))), (Numbers{1, 3}));
}

// ---- Training in every precision and on every device --------------------------------------------
std::vector<Layer> of_images() {
  return {Identity(),
          LeakyReLU(),
          ELU(),
          PReLU({.shared_axes = {1, 2}}),
          Softmax({.axis = {1, 2}}),
          GaussianNoise(0.1),
          GaussianDropout(0.1),
          AlphaDropout(0.1, {.noise_shape = {-1, 1, -1, -1}}),
          SpatialDropout2D(0.1),
          ActivityRegularization({.l1 = 0.01, .l2 = 0.01}),
          LayerNormalization({.axis = {1, 3}}),
          RMSNormalization(),
          GroupNormalization({.groups = 2}),
          UnitNormalization({.axis = {1, 2}}),
          ZeroPadding2D({1, {0, 2}}),
          Permute({2, 3, 1}),
          UpSampling2D({2, 1}),
          UpSampling2D(2, {.interpolation = "bilinear"}),
          Cropping2D({1, {0, 1}}),
          Resizing(5, 6),
          CenterCrop(3, 4),
          GlobalMaxPooling2D({.keepdims = true}),
          Flatten(),
          RepeatVector(2),
          GlobalMaxPooling1D()};
}

std::vector<double> losses(const std::string& policy, const Device& device) {
  std::vector<Layer> layers{Input({6, 5, 2}), Conv2D(4, 3, {.padding = "same"})};
  for (const Layer& layer : of_images()) layers.push_back(layer);
  layers.push_back(Dense(3));
  Sequential model(layers, {.threads = 1, .device = device, .dtype_policy = policy});
  model.compile({.optimizer = SGD({.learning_rate = 0.1}), .loss = "mse"});
  std::vector<double> result;
  for (const std::int64_t batch : {1, 7, 7}) {
    const Tensor x = Tensor::normal({batch, 6, 5, 2}, 0.0f, 1.0f, 1);
    const Tensor y = Tensor::normal({batch, 3}, 0.0f, 1.0f, 2);
    result.push_back(model.train_on_batch(x, y).loss());
    result.push_back(model.test_on_batch(x, y).loss());
  }
  return result;
}

TEST(LayersInModels, train_in_every_precision) {
  const std::vector<double> single = losses("float32", Device::cpu());
  const std::vector<double> mixed = losses("mixed_bfloat16", Device::cpu());
  for (std::size_t i = 0; i < single.size(); ++i) {
    EXPECT_TRUE(std::isfinite(single[i]));
    EXPECT_NEAR(mixed[i], single[i], 0.1 * std::abs(single[i])) << i;
  }
}

TEST(LayersInModels, train_alike_on_the_simulated_device) {
  EXPECT_EQ(losses("float32", Device::simulated()), losses("float32", Device::cpu()));
}

}  // namespace
}  // namespace stoker

// SpectralNormalization and ReversibleEmbedding where no golden trajectory shows it.
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "support/message.h"

namespace stoker {
namespace {

using test::message_of;
using Numbers = std::vector<float>;

Numbers values_of(const Tensor& x) { return {x.data<float>().begin(), x.data<float>().end()}; }

// The largest singular value of a matrix (rows, columns), by many power iterations.
double largest_singular_value(const Tensor& matrix, std::size_t columns) {
  const Numbers w = values_of(matrix);
  const std::size_t rows = w.size() / columns;
  std::vector<double> u(columns, 1.0), v(rows);
  double norm = 0.0;
  for (int i = 0; i < 500; ++i) {
    for (std::size_t r = 0; r < rows; ++r) {
      v[r] = 0.0;
      for (std::size_t c = 0; c < columns; ++c) v[r] += w[r * columns + c] * u[c];
    }
    norm = 0.0;
    for (std::size_t c = 0; c < columns; ++c) {
      u[c] = 0.0;
      for (std::size_t r = 0; r < rows; ++r) u[c] += w[r * columns + c] * v[r];
      norm += u[c] * u[c];
    }
    norm = std::sqrt(norm);
    for (double& element : u) element /= norm;
  }
  return std::sqrt(norm);
}

Sequential model_of(const Layer& layer, Shape input, const std::string& policy = "float32") {
  Sequential model({Input(input), layer, Flatten(), Dense(2)},
                   {.device = Device::cpu(), .dtype_policy = policy});
  model.compile({.optimizer = SGD({.learning_rate = 0.0}), .loss = "mse"});
  return model;
}

void train(Model& model, const Shape& input, int steps) {
  const Tensor x = Tensor::normal(input.with_batch(4), 0.0f, 1.0f, 1),
               y = Tensor::normal({4, 2}, 0.0f, 1.0f, 2);
  for (int step = 0; step < steps; ++step) model.train_on_batch(x, y);
}

TEST(SpectralNormalization, brings_the_largest_singular_value_to_one) {
  struct Case {
    Layer layer;
    Shape input;
    std::size_t columns;
  };
  const Case cases[] = {
      {Dense(7, {.kernel_initializer = RandomNormal({.stddev = 3.0})}), {5}, 7},
      {Dense(1), {5}, 1},
      {Conv1D(6, 3), {8, 2}, 6},
      {Conv2D(6, {3, 2}, {.padding = "same"}), {6, 5, 2}, 6},
      {Conv3D(3, 2), {4, 5, 3, 2}, 3},
      {EinsumDense("abc,cd->abd", {-1, 4}, {}), {3, 5}, 4},
  };
  for (const Case& each : cases) {
    for (const char* policy : {"float32", "mixed_bfloat16"}) {
      // Models that share weights have one policy.
      Sequential model =
          model_of(SpectralNormalization(layer_from_config(each.layer.config()), {.name = "s"}),
                   each.input, policy);
      train(model, each.input, 60);
      ASSERT_EQ(model.get_weights()[0].shape().back(), static_cast<std::int64_t>(each.columns));
      EXPECT_NEAR(largest_singular_value(model.get_weights()[0], each.columns), 1.0, 1e-3)
          << each.layer.class_name() << " " << policy;
    }
  }
}

TEST(SpectralNormalization, leaves_the_kernel_to_evaluation_and_prediction) {
  Sequential model = model_of(SpectralNormalization(Dense(3), {.name = "s"}), {5});
  const Numbers before = values_of(model.get_weights()[0]);
  const Tensor x = Tensor::normal({4, 5}, 0.0f, 1.0f, 1);
  model.predict(x);
  model.evaluate(x, Tensor({4, 2}), {.verbose = 0});
  EXPECT_EQ(values_of(model.get_weights()[0]), before);
  train(model, {5}, 1);
  EXPECT_NE(values_of(model.get_weights()[0]), before);
}

TEST(SpectralNormalization, leaves_a_kernel_of_zeros) {
  Sequential model = model_of(
      SpectralNormalization(Dense(3, {.kernel_initializer = "zeros"}), {.name = "s"}), {5});
  const Numbers before = values_of(model.get_weights()[2]);
  train(model, {5}, 2);
  EXPECT_EQ(values_of(model.get_weights()[0]), Numbers(15, 0.0f));
  EXPECT_EQ(values_of(model.get_weights()[2]), before);
}

// A step whose loss is not finite writes nothing.
TEST(SpectralNormalization, keeps_the_kernel_where_a_step_fails) {
  Sequential model = model_of(SpectralNormalization(Dense(3), {.name = "s"}), {5});
  const Numbers before = values_of(model.get_weights()[0]);
  Tensor x({4, 5});
  x.data<float>()[3] = NAN;
  EXPECT_THROW(model.train_on_batch(x, Tensor({4, 2})), Error);
  EXPECT_EQ(values_of(model.get_weights()[0]), before);
}

TEST(SpectralNormalization, says_what_does_not_fit) {
  EXPECT_EQ(message_of<ValueError>(
                [] { SpectralNormalization(Dropout(0.5), {.name = "s"})(Input({5})); }),
            "SpectralNormalization \"s\": expected a layer with a kernel or with embeddings, "
            "received Dropout");
  EXPECT_EQ(message_of<ValueError>(
                [] { SpectralNormalization(Dense(3), {.power_iterations = 0, .name = "s"}); }),
            "SpectralNormalization \"s\": expected power_iterations of 1 or more, received 0");
}

// ---- ReversibleEmbedding ----

TEST(ReversibleEmbedding, goes_back_by_the_transpose_of_its_table) {
  const Layer tied = ReversibleEmbedding(5, 3, {.name = "t"});
  const Value x = Input({2, 3});
  Model model(x, tied(x, {.reverse = true}), {.device = Device::cpu()});
  const Numbers table = values_of(model.get_weights()[0]);
  const Tensor vectors = Tensor::normal({4, 2, 3}, 0.0f, 1.0f, 1);
  const Tensor y = model.predict(vectors);
  ASSERT_EQ(y.shape(), (Shape{4, 2, 5}));
  const Numbers given = values_of(vectors), numbers = values_of(y);
  for (std::size_t row = 0; row < 8; ++row) {
    for (std::size_t id = 0; id < 5; ++id) {
      float expected = 0.0f;
      for (std::size_t k = 0; k < 3; ++k) expected += given[row * 3 + k] * table[id * 3 + k];
      EXPECT_NEAR(numbers[row * 5 + id], expected, 1e-5f);
    }
  }
  EXPECT_EQ(Model::from_json(model.to_json()).to_json(), model.to_json());
}

TEST(ReversibleEmbedding, has_a_mask_forwards_and_bounds_its_numbers_backwards) {
  const Layer embedding = ReversibleEmbedding(
      5, 3,
      {.tie_weights = false, .mask_zero = true, .reverse_dtype = "float32", .logit_soft_cap = 0.5});
  const Value ids = Input({4}, {.dtype = "int32"});
  const Value vectors = embedding(ids);
  EXPECT_TRUE(vectors.has_mask());
  Model model(ids, embedding(Rescaling(1000.0)(vectors), {.reverse = true}),
              {.device = Device::cpu(), .dtype_policy = "mixed_bfloat16"});
  EXPECT_EQ(model.weight_names().size(), 2u);
  Tensor x({2, 4}, DType::int32);
  for (const float number : values_of(model.predict(x))) EXPECT_LE(std::abs(number), 0.5f);
}

TEST(ReversibleEmbedding, says_what_does_not_fit) {
  const Layer embedding = ReversibleEmbedding(5, 3, {.name = "e"});
  EXPECT_EQ(message_of<ShapeError>([&] {
              embedding(Input({2, 4}), {.reverse = true});
            }),
            "ReversibleEmbedding \"e\": expected vectors (..., output_dim) of 3 numbers for the "
            "call with reverse, received (None, 2, 4)");
  EXPECT_EQ(message_of<ValueError>(
                [] { ReversibleEmbedding(5, 3, {.reverse_dtype = "mixed_float16", .name = "e"}); }),
            "ReversibleEmbedding \"e\": expected a reverse_dtype of float32, bfloat16 or float16, "
            "received mixed_float16");
  EXPECT_EQ(message_of<ValueError>([] { Dense(3, {.name = "d"})(Input({4}), {.reverse = true}); }),
            "Dense \"d\": calls of this layer take no reverse");
}

}  // namespace
}  // namespace stoker

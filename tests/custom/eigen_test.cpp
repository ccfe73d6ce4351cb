// Maps of Eigen's over tensors, slots and weights.
#include <gtest/gtest.h>
#include <stoker/eigen.h>
#include <stoker/stoker.h>

#include <vector>

#include "support/contains.h"
#include "support/message.h"

namespace stoker {
namespace {

using test::contains;
using test::message_of;

TEST(EigenMaps, are_the_tensors_memory) {
  Tensor x = Tensor::from<float>({2, 3}, {1, 2, 3, 4, 5, 6});
  auto matrix = as_matrix(x);
  EXPECT_EQ(matrix.rows(), 2);
  EXPECT_EQ(matrix.cols(), 3);
  EXPECT_EQ(matrix(1, 0), 4.0f);
  matrix(0, 2) = 9.0f;
  EXPECT_EQ(x.data<float>()[2], 9.0f);
  const Tensor& same = x;
  EXPECT_EQ(as_matrix(same).data(), x.data<float>().data());
  EXPECT_EQ(as_vector(x.data<float>()).size(), 6);
  Tensor images({2, 4, 4, 3}, DType::uint8);
  EXPECT_EQ(as_matrix<std::uint8_t>(images).cols(), 48);
  Tensor one = Tensor::full({}, 1.0f);
  EXPECT_EQ(as_matrix(one).rows(), 1);
}

TEST(EigenMaps, copy_expressions_into_tensors) {
  const Eigen::MatrixXd a = Eigen::MatrixXd::Identity(2, 2) * 3.0;
  const Tensor y = to_tensor(a * a);
  EXPECT_EQ(y.shape(), (Shape{2, 2}));
  EXPECT_EQ(y.data<float>()[0], 9.0f);
  EXPECT_EQ(y.data<float>()[1], 0.0f);
  const Eigen::Matrix<std::int32_t, 1, 3> row(1, 2, 3);
  EXPECT_EQ(to_tensor(row).dtype(), DType::int32);
}

// Eigen fills the slots of a training, and reads the weights that come of it.
TEST(EigenMaps, fill_slots_and_check_weights) {
  const Eigen::MatrixXf truth = (Eigen::MatrixXf(3, 2) << 1, -2, 0.5f, 3, -1, 2).finished();
  auto batches =
      generator<float, float>({.x = {64, 3}, .y = {64, 2}},
                              [&](BatchContext& batch, std::span<float> x, std::span<float> y) {
                                auto inputs = as_matrix(x, 64);
                                for (float& value : x) value = batch.random.uniform(-1.0f, 1.0f);
                                as_matrix(y, 64) = inputs * truth;
                              });
  Sequential model({Input({3}), Dense(2, {.use_bias = false})},
                   {.seed = 1, .device = Device::cpu()});
  model.compile({.optimizer = Adam({.learning_rate = 0.05}), .loss = "mse"});
  model.fit(batches, {.steps_per_epoch = 300, .verbose = 0});
  const std::vector<Tensor> weights = model.get_weights();
  EXPECT_LT((as_matrix(weights[0]) - truth).norm(), 1e-3f);
}

TEST(EigenMaps, refuse_what_does_not_fit) {
  std::vector<float> elements(7);
  EXPECT_TRUE(contains(message_of<ShapeError>([&] { as_matrix(std::span(elements), 2); }),
                       "7 elements for 2 rows"));
  Tensor x({2, 2}, DType::int32);
  EXPECT_THROW(as_matrix(x), DTypeError);
}

}  // namespace
}  // namespace stoker

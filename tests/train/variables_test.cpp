#include "train/saving/variables.h"

#include <gtest/gtest.h>

#include "optimizers/optimizer.h"
#include "stoker/layers.h"

namespace stoker::train {
namespace {

std::vector<std::string> paths_of(const std::vector<SavedVariable>& variables) {
  std::vector<std::string> paths;
  for (const SavedVariable& variable : variables) paths.push_back(variable.path);
  return paths;
}

using Paths = std::vector<std::string>;

Network two_layers() {
  const Value x = Input({4});
  const Value hidden = Dense(3, {.use_bias = false, .name = "a"})(x);
  return Network({x}, {Dense(2, {.name = "b"})(hidden)});
}

TEST(Variables, are_the_weights_where_there_is_no_optimizer) {
  EXPECT_EQ(paths_of(variables_of(two_layers(), nullptr, {})),
            (Paths{"a/kernel", "b/kernel", "b/bias"}));
}

TEST(Variables, of_the_optimizer_are_in_the_order_in_which_keras_adds_them) {
  const Network network = two_layers();
  const Optimizer adam = Adam({.amsgrad = true});
  EXPECT_EQ(paths_of(variables_of(network, adam.base().get(), {})),
            (Paths{"a/kernel", "b/kernel", "b/bias", "adam/iteration", "adam/learning_rate",
                   "adam/a_kernel_momentum", "adam/a_kernel_velocity", "adam/b_kernel_momentum",
                   "adam/b_kernel_velocity", "adam/b_bias_momentum", "adam/b_bias_velocity",
                   "adam/a_kernel_velocity_hat", "adam/b_kernel_velocity_hat",
                   "adam/b_bias_velocity_hat"}));
  const Optimizer rmsprop = RMSprop({.momentum = 0.5});
  EXPECT_EQ(
      paths_of(variables_of(network, rmsprop.base().get(), {})),
      (Paths{"a/kernel", "b/kernel", "b/bias", "rmsprop/iteration", "rmsprop/learning_rate",
             "rmsprop/a_kernel_velocity", "rmsprop/b_kernel_velocity", "rmsprop/b_bias_velocity",
             "rmsprop/a_kernel_momentum", "rmsprop/b_kernel_momentum", "rmsprop/b_bias_momentum"}));
}

TEST(Variables, of_a_frozen_layer_have_no_slots) {
  const Network network = two_layers();
  const Optimizer sgd = SGD({.momentum = 0.9});
  const std::set<const layers::LayerBase*> frozen{network.weights()[0].layer};
  EXPECT_EQ(paths_of(variables_of(network, sgd.base().get(), frozen)),
            (Paths{"a/kernel", "b/kernel", "b/bias", "sgd/iteration", "sgd/learning_rate",
                   "sgd/b_kernel_momentum", "sgd/b_bias_momentum"}));
}

TEST(Variables, of_a_loss_scale_optimizer_come_before_those_of_the_one_inside) {
  const Network network = two_layers();
  const Optimizer optimizer = LossScaleOptimizer(SGD());
  const auto variables = variables_of(network, optimizer.base().get(), {});
  EXPECT_EQ(paths_of(variables),
            (Paths{"a/kernel", "b/kernel", "b/bias", "loss_scale_optimizer/step_counter",
                   "loss_scale_optimizer/dynamic_scale", "sgd/iteration", "sgd/learning_rate"}));
}

}  // namespace
}  // namespace stoker::train

// Optimizers with several rules: Muon, and MultiOptimizer.
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <cmath>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "support/contains.h"
#include "support/message.h"
#include "support/temporary_folder.h"

namespace stoker {
namespace {

using test::contains;
using test::message_of;
using Numbers = std::vector<float>;

Numbers values_of(const Tensor& x) { return {x.data<float>().begin(), x.data<float>().end()}; }

Sequential mlp(const Optimizer& optimizer, const std::string& policy = "float32") {
  Sequential model({Input({5}), Dense(8, {.activation = "tanh", .name = "first"}),
                    LayerNormalization({.name = "norm"}),
                    Dense(6, {.activation = "tanh", .name = "second"}), Dense(3, {.name = "out"})},
                   {.name = "mlp", .seed = 3, .device = Device::cpu(), .dtype_policy = policy});
  model.compile({.optimizer = optimizer, .loss = "mse"});
  return model;
}

void train(Model& model, int steps, int first = 0) {
  for (int step = first; step < first + steps; ++step) {
    const auto seed = static_cast<std::uint64_t>(step);
    model.train_on_batch(Tensor::normal({16, 5}, 0.0f, 1.0f, seed),
                         Tensor::normal({16, 3}, 0.0f, 1.0f, 100 + seed));
  }
}

Numbers weights_of(const Model& model) {
  Numbers all;
  for (const Tensor& weight : model.get_weights()) {
    const Numbers own = values_of(weight);
    all.insert(all.end(), own.begin(), own.end());
  }
  return all;
}

// Iterations of which all go by a = 2, b = -1.5, c = 0.5 converge to the orthogonal factor.
TEST(Muon, moves_matrices_by_orthogonal_steps) {
  for (const std::int64_t units : {2, 7}) {
    Sequential model({Input({4}), Dense(units, {.use_bias = false})}, {.device = Device::cpu()});
    model.compile({.optimizer = Muon({.learning_rate = 1.0,
                                      .weight_decay = {},
                                      .muon_a = 1.875,
                                      .muon_b = -1.25,
                                      .muon_c = 0.375,
                                      .ns_steps = 40,
                                      .rms_rate = {}}),
                   .loss = "mse"});
    const Numbers before = weights_of(model);
    model.train_on_batch(Tensor::normal({16, 4}, 0.0f, 1.0f, 1),
                         Tensor::normal({16, units}, 0.0f, 1.0f, 2));
    const Numbers after = weights_of(model);
    const auto columns = static_cast<std::size_t>(units);
    const auto step = [&](std::size_t row, std::size_t column) {
      return static_cast<double>(before[row * columns + column]) - after[row * columns + column];
    };
    // The shorter of rows and columns are orthonormal.
    const bool is_tall = units < 4;
    const std::size_t vectors = is_tall ? columns : 4, length = is_tall ? 4 : columns;
    for (std::size_t i = 0; i < vectors; ++i) {
      for (std::size_t j = 0; j < vectors; ++j) {
        double product = 0.0;
        for (std::size_t k = 0; k < length; ++k) {
          product += is_tall ? step(k, i) * step(k, j) : step(i, k) * step(j, k);
        }
        EXPECT_NEAR(product, i == j ? 1.0 : 0.0, 1e-4) << units << " " << i << " " << j;
      }
    }
  }
}

TEST(Muon, updates_embeddings_and_what_is_excluded_by_adam) {
  const AdamOptions adam{.learning_rate = 0.01, .weight_decay = 0.004};
  Sequential all = mlp(Muon({.learning_rate = 0.01, .exclude_layers = {"."}})),
             other = mlp(Adam(adam));
  other.set_weights(all.get_weights());
  train(all, 5);
  train(other, 5);
  EXPECT_EQ(weights_of(all), weights_of(other));

  // An Adam's Embedding moves by the rate in the first step, whatever the gradient is.
  Sequential words({Input({3}, {.dtype = "int32"}), Embedding(4, 2), Flatten(), Dense(1)},
                   {.device = Device::cpu()});
  words.compile(
      {.optimizer = Muon({.learning_rate = 0.25, .adam_weight_decay = {}}), .loss = "mse"});
  const Numbers before = values_of(words.get_weights()[0]);
  words.train_on_batch(Tensor({2, 3}, DType::int32), Tensor::normal({2, 1}, 0.0f, 1.0f, 1));
  const Numbers after = values_of(words.get_weights()[0]);
  for (std::size_t k = 0; k < 2; ++k) EXPECT_NEAR(std::abs(after[k] - before[k]), 0.25f, 1e-3f);
  for (std::size_t k = 2; k < 8; ++k) EXPECT_EQ(after[k], before[k]);
  EXPECT_TRUE(contains(message_of<ValueError>([] { Muon({.exclude_layers = {"("}}); }),
                       "muon: exclude_layers: expected a regular expression, received \"(\""));
}

TEST(SeveralOptimizers, go_on_from_files_as_if_nothing_had_been) {
  const test::TemporaryFolder folder;
  const auto optimizers = [] {
    return std::vector<Optimizer>{
        Muon({.learning_rate = 0.01, .exclude_layers = {"out"}}),
        Muon({.use_ema = true, .ema_overwrite_frequency = 3, .gradient_accumulation_steps = 2}),
        MultiOptimizer(SGD({.learning_rate = 0.1, .momentum = 0.5}),
                       {{"first/.*", Adagrad({.learning_rate = 0.1})},
                        {"second/kernel", Muon()},
                        {"norm/.*", Adam({.learning_rate = CosineDecay(0.01, 20)})}}),
        LossScaleOptimizer(Muon()),
        Adafactor({.learning_rate = 0.1, .gradient_accumulation_steps = 2}),
        MultiOptimizer(Adafactor(), {{"first/.*", Lamb()}}),
        LossScaleOptimizer(MultiOptimizer(SGD(), {{"first/.*", Adam()}}))};
  };
  for (std::size_t i = 0; i < optimizers().size(); ++i) {
    Sequential model = mlp(optimizers()[i]);
    train(model, 4);
    model.save(folder / "model.keras");
    Model again = Model::load(folder / "model.keras", {.device = Device::cpu()});
    train(model, 4, 4);
    train(again, 4, 4);
    EXPECT_EQ(weights_of(again), weights_of(model)) << i;
  }
}

TEST(SeveralOptimizers, train_in_mixed_precision) {
  for (const char* policy : {"mixed_bfloat16", "mixed_float16"}) {
    Sequential model = mlp(MultiOptimizer(SGD(), {{"first/.*", Muon()}}), policy);
    const Numbers before = weights_of(model);
    train(model, 3);
    const Numbers after = weights_of(model);
    for (std::size_t i = 0; i < after.size(); ++i) ASSERT_TRUE(std::isfinite(after[i]));
    EXPECT_NE(after, before);
  }
}

TEST(MultiOptimizer, of_one_optimizer_is_that_optimizer) {
  Sequential one = mlp(Adam({.learning_rate = 0.01, .global_clipnorm = 0.5}));
  Sequential multi = mlp(MultiOptimizer(Adam({.learning_rate = 0.01, .global_clipnorm = 0.5}), {}));
  multi.set_weights(one.get_weights());
  train(one, 5);
  train(multi, 5);
  EXPECT_EQ(weights_of(one), weights_of(multi));
}

TEST(MultiOptimizer, leaves_weights_whose_optimizer_has_a_rate_of_0) {
  Sequential model = mlp(
      MultiOptimizer(SGD({.learning_rate = 0.0}), {{"mlp/out/.*", Adam({.learning_rate = 0.1})}}));
  const std::vector<Tensor> before = model.get_weights();
  train(model, 2);
  const std::vector<Tensor> after = model.get_weights();
  const std::vector<std::string> names = model.weight_names();
  for (std::size_t i = 0; i < names.size(); ++i) {
    EXPECT_EQ(values_of(before[i]) == values_of(after[i]), !names[i].starts_with("out/"))
        << names[i];
  }
}

TEST(MultiOptimizer, says_what_does_not_fit) {
  const auto error = [](const std::function<void()>& f) { return message_of<ValueError>(f); };
  EXPECT_EQ(error([] {
              mlp(MultiOptimizer(SGD(), {{"first/.*", Adam()}, {".*/kernel", SGD()}}));
            }),
            "multi_optimizer: expected one optimizer for weight \"first/kernel\", received those "
            "of \"first/.*\" and \".*/kernel\"");
  EXPECT_EQ(error([] {
              MultiOptimizer(SGD(), {{"a", LossScaleOptimizer(SGD())}});
            }),
            "multi_optimizer: expected for a an optimizer that does not scale the loss; "
            "LossScaleOptimizer takes a MultiOptimizer");
  EXPECT_EQ(error([] { MultiOptimizer(MultiOptimizer(SGD(), {}), {}); }),
            "multi_optimizer: expected for the default an optimizer that is no MultiOptimizer");
  EXPECT_EQ(error([] { MultiOptimizer(Adam({.use_ema = true}), {}); }),
            "multi_optimizer: expected for the default an optimizer without use_ema and "
            "gradient_accumulation_steps");
  Sequential model = mlp(MultiOptimizer(SGD(), {}));
  for (const auto& call :
       {std::function<void()>([&] { model.learning_rate(); }),
        std::function<void()>([&] { model.set_learning_rate(0.1); }), std::function<void()>([&] {
          model.fit(Tensor({4, 5}), Tensor({4, 3}),
                    {.verbose = 0, .callbacks = {std::make_shared<ReduceLROnPlateau>()}});
        })}) {
    EXPECT_TRUE(
        contains(message_of<Error>(call), "a model with a MultiOptimizer has no learning rate"));
  }
}

}  // namespace
}  // namespace stoker

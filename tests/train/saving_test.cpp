// Models in files: what is saved and loaded goes on as if nothing had happened.
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "optimizers/optimizer.h"
#include "support/message.h"
#include "support/temporary_folder.h"

namespace stoker {
namespace {

using test::message_of;
using test::TemporaryFolder;
using Bits = std::vector<std::vector<float>>;

Bits bits(const std::vector<Tensor>& tensors) {
  Bits all;
  for (const Tensor& tensor : tensors) {
    const auto data = tensor.data<float>();
    all.emplace_back(data.begin(), data.end());
  }
  return all;
}

Bits weights(const Model& model) { return bits(model.get_weights()); }

// A model, and batches that it trains on.
struct Trained {
  Model model;
  std::vector<Tensor> x;
  std::vector<Tensor> y;

  void train(int steps = 3) { train(model, steps); }
  void train(Model& other, int steps = 3) const {
    for (int i = 0; i < steps; ++i) other.train_on_batch(x, y);
  }
};

ModelOptions options(const std::string& policy = "float32") {
  return {.seed = 3, .threads = 1, .dtype_policy = policy};
}

Trained sequential(const Optimizer& optimizer = Adam({.learning_rate = 0.01}),
                   const std::string& policy = "float32") {
  Sequential model({Input({6, 6, 1}), Conv2D(3, 3, {.use_bias = false, .name = "conv"}),
                    BatchNormalization(), Activation("relu"), Flatten(), Dropout(0.25),
                    Dense(4, {.activation = "tanh", .name = "hidden"}), Dense(2)},
                   options(policy));
  model.compile({.optimizer = optimizer, .loss = "mse"});
  return {
      std::move(model), {Tensor::normal({8, 6, 6, 1}, 0, 1, 1)}, {Tensor::normal({8, 2}, 0, 1, 2)}};
}

// An encoder within another model, a layer that is called twice, and two outputs.
Trained functional(const Optimizer& optimizer = Adam({.learning_rate = 0.01})) {
  const Sequential encoder({Input({5}), Dense(4, {.activation = "tanh", .name = "code"})},
                           {.name = "encoder"});
  const Value x = Input({5});
  const Layer twice = Dense(4, {.activation = "tanh", .name = "twice"});
  const Value y = twice(twice(encoder(x)));
  Model model({x}, {Dense(2, {.name = "first"})(y), Dense(1, {.name = "second"})(y)}, options());
  model.compile({.optimizer = optimizer, .loss = {"mse", "mae"}, .loss_weights = {1.0, 0.5}});
  return {std::move(model),
          {Tensor::normal({8, 5}, 0, 1, 1)},
          {Tensor::normal({8, 2}, 0, 1, 2), Tensor::normal({8, 1}, 0, 1, 3)}};
}

// Saves after three steps, loads, and trains both models on.
void expect_goes_on(Trained trained, const std::string& policy = "float32") {
  const TemporaryFolder folder;
  trained.train();
  const std::string path = folder / "model.keras";
  trained.model.save(path);
  const Bits saved = weights(trained.model);
  Model loaded = Model::load(path, options(policy));
  EXPECT_EQ(weights(loaded), saved);
  EXPECT_EQ(loaded.weight_names(), trained.model.weight_names());
  EXPECT_EQ(loaded.iterations(), trained.model.iterations());
  EXPECT_EQ(loaded.loss_scale(), trained.model.loss_scale());
  EXPECT_EQ(loaded.config(), trained.model.config());
  EXPECT_EQ(bits(loaded.predict_outputs(trained.x)),
            bits(trained.model.predict_outputs(trained.x)));
  trained.train();
  trained.train(loaded);
  EXPECT_NE(weights(trained.model), saved);
  EXPECT_EQ(weights(loaded), weights(trained.model));
}

TEST(Saving, ASequentialModelTrainsOnWithTheSameBits) { expect_goes_on(sequential()); }
TEST(Saving, AFunctionalModelTrainsOnWithTheSameBits) { expect_goes_on(functional()); }

TEST(Saving, EveryOptimizerTrainsOnWithTheSameBits) {
  for (const Optimizer& optimizer :
       {SGD(), SGD({.momentum = 0.9, .nesterov = true}), Adam({.amsgrad = true}), AdamW(),
        RMSprop({.momentum = 0.5, .centered = true}),
        LossScaleOptimizer(Adam(), {.initial_scale = 1024, .dynamic_growth_steps = 2})}) {
    SCOPED_TRACE(optimizer.base()->class_name());
    expect_goes_on(sequential(optimizer));
    expect_goes_on(functional(optimizer));
  }
}

TEST(Saving, MixedPoliciesTrainOnWithTheSameBits) {
  for (const char* policy : {"mixed_bfloat16", "mixed_float16"}) {
    SCOPED_TRACE(policy);
    expect_goes_on(sequential(Adam({.learning_rate = 0.01}), policy), policy);
  }
}

TEST(Saving, FrozenLayersHaveNoState) {
  Trained trained = functional();
  trained.model.get_layer("encoder").set_trainable(false);
  trained.model.compile({.optimizer = "adam", .loss = {"mse", "mae"}});
  expect_goes_on(std::move(trained));
}

TEST(Saving, WeightsAloneBringTheStateOfTheOptimizer) {
  const TemporaryFolder folder;
  for (const char* name : {"a.weights.h5", "a.keras"}) {
    Trained trained = functional(), other = functional();
    trained.train();
    const std::string path = folder / name;
    if (path.ends_with(".keras")) {
      trained.model.save(path);
    } else {
      trained.model.save_weights(path);
    }
    other.train(1);
    other.model.load_weights(path);
    EXPECT_EQ(other.model.iterations(), 3);
    trained.train();
    other.train();
    EXPECT_EQ(weights(other.model), weights(trained.model));
  }
}

TEST(Saving, AModelThatIsNotCompiledHasWeightsAlone) {
  const TemporaryFolder folder;
  const std::string path = folder / "plain.keras";
  Model model(Sequential({Input({3}), Dense(2)}, {.seed = 5}));
  model.save(path);
  Model loaded = Model::load(path);
  EXPECT_EQ(weights(loaded), weights(model));
  EXPECT_NE(message_of<ValueError>([&] { loaded.learning_rate(); }), "");
}

TEST(Saving, CompileCanBeLeftOut) {
  const TemporaryFolder folder;
  const std::string path = folder / "model.keras";
  Trained trained = sequential();
  trained.train();
  trained.model.save(path);
  Model loaded = Model::load(path, options(), false);
  EXPECT_EQ(weights(loaded), weights(trained.model));
  EXPECT_NE(message_of<ValueError>([&] { loaded.learning_rate(); }), "");
}

TEST(Saving, WorksInCallbacks) {
  const TemporaryFolder folder;
  Trained trained = sequential();
  Bits saved;
  trained.model.fit(trained.x, trained.y,
                    {.epochs = 2, .verbose = 0, .on_epoch_end = [&](std::int64_t epoch, Logs&) {
                       const std::string path = folder / "epoch.weights.h5";
                       if (epoch == 0) {
                         trained.model.save_weights(path);
                         saved = weights(trained.model);
                       } else {
                         trained.model.load_weights(path);
                       }
                     }});
  EXPECT_EQ(weights(trained.model), saved);
}

// ---- Files that do not fit ---------------------------------------------------------------------
Sequential dense(std::int64_t units, const char* last = "last") {
  return Sequential({Input({3}), Dense(units, {.name = "first"}), Dense(2, {.name = last})},
                    {.seed = 9});
}

TEST(Saving, AWeightOfAnotherShapeIsNamed) {
  const TemporaryFolder folder;
  const std::string path = folder / "a.weights.h5";
  dense(4).save_weights(path);
  Sequential other = dense(5);
  const Bits before = weights(other);
  const std::string message = message_of<ShapeError>([&] { other.load_weights(path); });
  for (const char* part : {"a.weights.h5", "layers/dense/vars/0", "the kernel of Dense \"first\"",
                           "expected (3, 5), received (3, 4)", "skip_mismatch"}) {
    EXPECT_NE(message.find(part), std::string::npos) << part << " in " << message;
  }
  EXPECT_EQ(weights(other), before);
}

TEST(Saving, AMismatchCanBeSkipped) {
  const TemporaryFolder folder;
  const std::string path = folder / "a.weights.h5";
  const Sequential saved = dense(4);
  saved.save_weights(path);
  Sequential other = dense(5);
  const Bits before = weights(other);
  ::testing::internal::CaptureStderr();
  other.load_weights(path, {.skip_mismatch = true});
  const std::string warning = ::testing::internal::GetCapturedStderr();
  EXPECT_NE(warning.find("the kernel of Dense \"first\""), std::string::npos) << warning;
  EXPECT_EQ(weights(other)[0], before[0]);
  EXPECT_EQ(weights(other)[3], weights(saved)[3]);
}

TEST(Saving, MissingAndSurplusLayersAreErrors) {
  const TemporaryFolder folder;
  const std::string two = folder / "two.weights.h5", one = folder / "one.weights.h5";
  Sequential model = dense(4);
  Sequential small({Input({3}), Dense(4, {.name = "first"})});
  model.save_weights(two);
  small.save_weights(one);
  const std::string missing = message_of<IoError>([&] { model.load_weights(one); });
  EXPECT_NE(missing.find("layers/dense_1/vars/0"), std::string::npos) << missing;
  const std::string surplus = message_of<IoError>([&] { small.load_weights(two); });
  EXPECT_NE(surplus.find("layers/dense_1/vars/0"), std::string::npos) << surplus;
}

TEST(Saving, LayersCanBeFoundByName) {
  const TemporaryFolder folder;
  const std::string path = folder / "a.weights.h5";
  const Sequential saved = dense(4);
  saved.save_weights(path);
  Sequential other({Input({7}), Dense(3, {.name = "new"}), Dense(4, {.name = "first"}),
                    Dense(1, {.name = "newer"})});
  const Bits before = weights(other);
  other.load_weights(path, {.by_name = true});
  EXPECT_EQ(weights(other)[0], before[0]);
  EXPECT_EQ(weights(other)[2], weights(saved)[0]);
  EXPECT_EQ(weights(other)[3], weights(saved)[1]);
  EXPECT_EQ(weights(other)[4], before[4]);
}

TEST(Saving, AnotherOptimizersStateIsLeftOut) {
  const TemporaryFolder folder;
  const std::string path = folder / "a.weights.h5";
  Trained adam = functional(), sgd = functional(SGD());
  adam.train();
  adam.model.save_weights(path);
  ::testing::internal::CaptureStderr();
  sgd.model.load_weights(path);
  const std::string warning = ::testing::internal::GetCapturedStderr();
  EXPECT_NE(warning.find("the optimizer keeps its state"), std::string::npos) << warning;
  EXPECT_EQ(weights(sgd.model), weights(adam.model));
  EXPECT_EQ(sgd.model.iterations(), 0);
}

TEST(Saving, PathsSayWhichFormatIsMeant) {
  const TemporaryFolder folder;
  Sequential model = dense(4);
  EXPECT_NE(message_of<ValueError>([&] { model.save(folder / "a.h5"); }), "");
  EXPECT_NE(message_of<ValueError>([&] { model.save_weights(folder / "a.keras"); }), "");
  EXPECT_NE(message_of<ValueError>([&] { model.load_weights(folder / "a.txt"); }), "");
  EXPECT_NE(message_of<ValueError>([&] { Model::load(folder / "a.txt"); }), "");
  EXPECT_NE(message_of<IoError>([&] { Model::load(folder / "missing.keras"); }), "");
}

}  // namespace
}  // namespace stoker

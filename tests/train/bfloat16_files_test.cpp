// Files in which Keras keeps weights as bfloat16, which HDF5 does not know (tests/train/files).
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <string>
#include <vector>

#include "support/contains.h"
#include "support/message.h"
#include "support/source_folder.h"
#include "support/temporary_folder.h"

namespace stoker {
namespace {

std::string file(const char* name) {
  return (test::source_folder() / "tests/train/files" / name).string();
}

Sequential small_model(ModelOptions options = {}) {
  options.device = Device::cpu();
  Sequential model(
      {Input({3}), Dense(2, {.activation = "relu", .name = "first"}), Dense(2, {.name = "second"})},
      options);
  model.compile({.optimizer = SGD({.learning_rate = 0.5}), .loss = "mse"});
  return model;
}

std::vector<std::vector<float>> values_of(const Model& model) {
  std::vector<std::vector<float>> values;
  for (const Tensor& weight : model.get_weights()) {
    values.emplace_back(weight.data<float>().begin(), weight.data<float>().end());
  }
  return values;
}

// As Keras prints them.
const std::vector<std::vector<float>> kValues{
    {-0.6640625f, 0.890625f, 0.765625f, 0.90625f, 0.2578125f, 0.6484375f},
    {0.0f, 0.0f},
    {-0.1953125f, -0.515625f, 0.7890625f, -0.5546875f},
    {0.0f, 0.0f}};

TEST(Bfloat16Files, AreReadAsTheValuesThatTheyHold) {
  for (const char* name : {"bfloat16.weights.h5", "bfloat16.keras"}) {
    Sequential model = small_model();
    model.load_weights(file(name));
    EXPECT_EQ(values_of(model), kValues) << name;
    EXPECT_EQ(model.learning_rate(), 0.125) << name;
    // Keras, which computes in bfloat16, gives 0.66015625 and -0.462890625.
    Tensor x({1, 3});
    x.data<float>()[0] = 0.5f;
    x.data<float>()[1] = -1.0f;
    x.data<float>()[2] = 2.0f;
    const Tensor y = model.predict(x);
    EXPECT_NEAR(y.data<float>()[0], 0.66015625f, 0.004f);
    EXPECT_NEAR(y.data<float>()[1], -0.462890625f, 0.004f);
  }
}

// Weights are float32 here, so that no value changes on its way through a file of ours.
TEST(Bfloat16Files, AreWrittenAsFloat32) {
  const test::TemporaryFolder folder;
  for (const char* policy : {"float32", "mixed_bfloat16"}) {
    Sequential model = small_model({.dtype_policy = policy});
    model.load_weights(file("bfloat16.weights.h5"));
    for (const char* name : {"w.weights.h5", "w.safetensors"}) {
      model.save_weights(folder / name);
      Sequential other = small_model({.dtype_policy = policy});
      other.load_weights(folder / name);
      EXPECT_EQ(values_of(other), kValues) << policy << ' ' << name;
    }
    model.save(folder / "m.keras");
    EXPECT_EQ(values_of(Model::load(folder / "m.keras")), kValues) << policy;
  }
}

// A file of Keras's, with its policy.
Model saved_by_keras(const char* name = "bfloat16.keras") {
  return Model::load(file(name), {.device = Device::cpu()});
}

void expect_bfloat16(const Model& model) {
  for (const std::vector<float>& weight : values_of(model)) {
    for (const float value : weight) EXPECT_EQ(value, static_cast<float>(bfloat16(value)));
  }
}

TEST(Bfloat16Files, OfWholeModelsGiveModelsOfThatPolicy) {
  Model model = saved_by_keras();
  EXPECT_EQ(values_of(model), kValues);
  EXPECT_EQ(model.learning_rate(), 0.125);
  const Tensor x = Tensor::from<float>({1, 3}, {0.5f, -1.0f, 2.0f});
  const Tensor y = model.predict(x);
  EXPECT_EQ(y.data<float>()[0], 0.66015625f);
  EXPECT_NEAR(y.data<float>()[1], -0.462890625f, 0.002f);
}

// What make_bfloat16.py trains on.
const std::vector<float> kInputs{0.126f,  -0.132f, 0.64f,   0.105f,  -0.536f, 0.362f,
                                 1.304f,  0.947f,  -0.704f, -1.265f, -0.623f, 0.041f,
                                 -2.325f, -0.219f, -1.246f, -0.732f, -0.544f, -0.316f,
                                 0.412f,  1.043f,  -0.129f, 1.366f,  -0.665f, 0.352f};
const std::vector<float> kTargets{0.903f,  0.094f,  -0.743f, -0.922f, -0.458f, 0.22f,
                                  -1.01f,  -0.209f, -0.159f, 0.541f,  0.215f,  0.355f,
                                  -0.654f, -0.13f,  0.784f,  1.493f};

// Keras's losses after ten steps (make_bfloat16.py). Sums are rounded in another order there, and
// how far Keras itself rounds between two operations depends on its compiler.
TEST(Bfloat16Files, OfKerassTrainOnAsThere) {
  struct Case {
    const char* name;
    double last_loss;
    double tolerance;
  };
  for (const Case& one : {Case{"sgd", 0.541379, 0.004}, Case{"momentum", 0.388979, 0.006},
                          Case{"rmsprop", 0.453012, 0.006}, Case{"adam", 0.762855, 0.002}}) {
    Model model = saved_by_keras((std::string("bfloat16_") + one.name + ".keras").c_str());
    const auto before = values_of(model);
    const Tensor x = Tensor::from<float>({8, 3}, kInputs);
    const Tensor y = Tensor::from<float>({8, 2}, kTargets);
    double loss = 0.0;
    for (int i = 0; i < 10; ++i) loss = model.train_on_batch(x, y).loss();
    EXPECT_NEAR(loss, one.last_loss, one.tolerance) << one.name;
    expect_bfloat16(model);
    // In bfloat16 a beta_2 of 0.999 is 1, and Adam's steps are 0.
    EXPECT_EQ(values_of(model) == before, one.name == std::string("adam")) << one.name;
  }
}

TEST(Bfloat16Files, ArePutBackWithTheirPolicy) {
  const test::TemporaryFolder folder;
  Model model = saved_by_keras();
  model.save(folder / "m.keras");
  Model other = Model::load(folder / "m.keras", {.device = Device::cpu()});
  EXPECT_EQ(values_of(other), kValues);
  EXPECT_EQ(other.to_json(), model.to_json());
  EXPECT_TRUE(test::contains(model.to_json(), "{\"name\": \"bfloat16\"}")) << model.to_json();
}

TEST(PurePolicies, RoundWeightsWhereverTheyChange) {
  for (const char* policy : {"bfloat16", "float16"}) {
    Sequential model = small_model({.dtype_policy = policy});
    const auto rounds = [&](float value) {
      return policy[0] == 'b' ? static_cast<float>(bfloat16(value))
                              : static_cast<float>(float16(value));
    };
    const auto expect_rounded = [&](const char* when) {
      for (const auto& weight : values_of(model)) {
        for (const float value : weight) EXPECT_EQ(value, rounds(value)) << policy << ' ' << when;
      }
    };
    expect_rounded("at first");
    EXPECT_EQ(model.loss_scale(), 1.0);
    std::vector<Tensor> weights = model.get_weights();
    for (Tensor& weight : weights) {
      for (float& value : weight.data<float>()) value = 0.1f;
    }
    model.set_weights(weights);
    EXPECT_EQ(values_of(model)[0][0], rounds(0.1f));
    const Tensor x = Tensor::from<float>({1, 3}, {0.5f, -1.0f, 2.0f});
    const Tensor y = Tensor::from<float>({1, 2}, {1.0f, -1.0f});
    for (int i = 0; i < 3; ++i) model.train_on_batch(x, y);
    expect_rounded("after steps");
  }
}

TEST(PurePolicies, OfOneLayerLeaveTheOthersTheirs) {
  Sequential model(
      {Input({3}), Dense(2, {.name = "first", .dtype = "bfloat16"}), Dense(2, {.name = "second"})},
      {.device = Device::cpu()});
  model.compile({.optimizer = Adam({.learning_rate = 0.01}), .loss = "mse"});
  const Tensor x = Tensor::from<float>({1, 3}, {0.5f, -1.0f, 2.0f});
  const Tensor y = Tensor::from<float>({1, 2}, {1.0f, -1.0f});
  for (int i = 0; i < 3; ++i) model.train_on_batch(x, y);
  const auto values = values_of(model);
  for (const float value : values[0]) EXPECT_EQ(value, static_cast<float>(bfloat16(value)));
  bool differs = false;
  for (const float value : values[2]) {
    differs = differs || value != static_cast<float>(bfloat16(value));
  }
  EXPECT_TRUE(differs);
}

}  // namespace
}  // namespace stoker

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

TEST(Bfloat16Files, OfWholeModelsAskForAPolicyWithFloat32Weights) {
  const std::string message = test::message_of<Error>([] { Model::load(file("bfloat16.keras")); });
  EXPECT_TRUE(test::contains(message, "bfloat16.keras")) << message;
  EXPECT_TRUE(test::contains(message, "mixed_bfloat16")) << message;
}

}  // namespace
}  // namespace stoker

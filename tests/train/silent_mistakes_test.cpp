// Mistakes that fail nowhere: one warning each, and none where there is nothing to say.
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "support/contains.h"

namespace stoker {
namespace {

using test::contains;

template <class F>
std::string warnings_of(F&& f) {
  testing::internal::CaptureStderr();
  f();
  return testing::internal::GetCapturedStderr();
}

std::string compiled(std::vector<Layer> layers, Loss loss) {
  return warnings_of([&] {
    Sequential model(std::move(layers), {.device = Device::cpu()});
    model.compile({.loss = loss});
  });
}

TEST(SilentMistakes, AMissingSoftmaxIsToldOf) {
  EXPECT_EQ(compiled({Input({4}), Dense(3, {.name = "scores"})}, "sparse_categorical_crossentropy"),
            "Warning: compile: the loss SparseCategoricalCrossentropy expects probabilities, and "
            "Dense \"scores\" gives values of any size (its activation is linear). Give the loss "
            "{.from_logits = true}, or the layer the activation \"softmax\"\n");
  EXPECT_TRUE(contains(compiled({Input({4}), Dense(3, {.activation = "relu"})}, "bce"),
                       "(its activation is relu)"));
  // Through layers that change no range, and through a model that is a layer.
  EXPECT_TRUE(contains(compiled({Input({8, 8, 1}), Conv2D(3, 3), GlobalAveragePooling2D(),
                                 Reshape({3}), Activation("linear"), Dropout(0.5)},
                                "categorical_crossentropy"),
                       "Conv2D \"conv2d\" gives"));
  EXPECT_TRUE(
      contains(compiled({Input({4}), Sequential({Input({4}), Dense(3, {.name = "inner"})})},
                        "categorical_crossentropy"),
               "Dense \"inner\" gives"));
}

TEST(SilentMistakes, LogitsThatAreProbabilitiesAreToldOf) {
  const Loss logits = SparseCategoricalCrossentropy({.from_logits = true});
  EXPECT_TRUE(contains(compiled({Input({4}), Dense(3, {.activation = "softmax"})}, logits),
                       "has from_logits, and Dense \"dense\" ends in softmax, so that its outputs "
                       "go through one twice"));
  EXPECT_TRUE(contains(compiled({Input({4}), Dense(3), Softmax()}, logits), "Softmax \"softmax\""));
  EXPECT_TRUE(contains(compiled({Input({4}), Dense(1), Activation("sigmoid")},
                                BinaryCrossentropy({.from_logits = true})),
                       "ends in sigmoid"));
}

TEST(SilentMistakes, ASoftmaxOfOneIsToldOf) {
  EXPECT_TRUE(contains(compiled({Input({4}), Dense(1, {.activation = "softmax"})}, "bce"),
                       "is always 1. Use the activation \"sigmoid\""));
}

TEST(SilentMistakes, NothingIsSaidOfWhatIsRightOrNotKnown) {
  const Loss logits = SparseCategoricalCrossentropy({.from_logits = true});
  EXPECT_EQ(compiled({Input({4}), Dense(3)}, logits), "");
  EXPECT_EQ(compiled({Input({4}), Dense(3)}, "mse"), "");
  EXPECT_EQ(compiled({Input({4}), Dense(1, {.activation = "sigmoid"})}, "bce"), "");
  EXPECT_EQ(compiled({Input({4}), Dense(3), Softmax(), Dropout(0.1)}, "categorical_crossentropy"),
            "");
  EXPECT_EQ(compiled({Input({4}), Rescaling(0.5)}, "bce"), "");
  EXPECT_EQ(compiled({Input({4})}, "categorical_crossentropy"), "");
  EXPECT_EQ(warnings_of([] {
              const Value x = Input({4});
              const Value half = Dense(3, {.activation = "softmax"})(x);
              Model model({x}, {Average()({half, Dense(3, {.activation = "softmax"})(x)})});
              model.compile({.loss = "categorical_crossentropy"});
            }),
            "");
}

std::string fitted(Optimizer optimizer, int epochs, int fits = 1) {
  Sequential model({Input({3}), Dense(1, {.use_bias = false})}, {.device = Device::cpu()});
  model.compile({.optimizer = std::move(optimizer), .loss = "mse"});
  const Tensor x = Tensor::uniform({32, 3}, 0.0f, 1.0f, 1);
  const Tensor y = Tensor::uniform({32, 1}, 0.0f, 1.0f, 2);
  return warnings_of([&] {
    for (int i = 0; i < fits; ++i) {
      model.fit(x, y, {.epochs = epochs, .verbose = 0, .batch_size = 8});
    }
  });
}

TEST(SilentMistakes, ALossThatDoesNotMoveIsToldOfOnce) {
  const std::string told = fitted(SGD({.learning_rate = 0.0}), 5, 2);
  EXPECT_TRUE(contains(told, "the loss of epoch 2 is that of epoch 1, "));
  EXPECT_EQ(told.find("Warning"), told.rfind("Warning"));
  EXPECT_EQ(fitted(SGD({.learning_rate = 0.1}), 5), "");
  EXPECT_EQ(fitted(SGD({.learning_rate = 0.0}), 1), "");
}

std::string weighed(const Tensor& y, std::map<std::int64_t, double> weights) {
  Sequential model({Input({3}), Dense(1)}, {.device = Device::cpu()});
  model.compile({.optimizer = "sgd", .loss = "mse"});
  return warnings_of([&] {
    model.fit(Tensor::uniform({4, 3}), y,
              {.epochs = 2, .verbose = 0, .batch_size = 2, .class_weight = std::move(weights)});
  });
}

TEST(SilentMistakes, ClassWeightsThatMeetNoLabelAreToldOf) {
  const Tensor y = Tensor::from<float>({4}, {0.0f, 1.0f, 1.0f, 0.0f});
  EXPECT_EQ(weighed(y, {{0, 1.0}, {1, 2.0}}), "");
  EXPECT_EQ(weighed(y, {{1, 1.0}, {2, 2.0}, {5, 2.0}}),
            "Warning: class_weight: no label of epoch 1 is 2, 5, which has a weight. Are labels "
            "numbered otherwise?\n");
  EXPECT_TRUE(contains(weighed(Tensor::from<float>({4}, {0.0f, 0.5f, 1.0f, 0.0f}), {{0, 2.0}}),
                       "labels that are no whole numbers"));
}

}  // namespace
}  // namespace stoker

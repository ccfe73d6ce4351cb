// Models as layers of models, and masks on their way through layers.
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <algorithm>
#include <string>
#include <vector>

#include "support/contains.h"
#include "support/message.h"

namespace stoker {
namespace {

using test::contains;
using test::message_of;

// On the device that the program is run for.
ModelOptions named(const char* name = "") { return {.name = name, .threads = 1}; }

bool same(const Tensor& a, const Tensor& b) {
  return std::ranges::equal(a.data<float>(), b.data<float>());
}

TEST(NestedModels, AreLayersWithTheirOwnWeights) {
  Sequential encoder({Input({4}), Dense(3, {.activation = "tanh", .name = "e"})}, named("encoder"));
  Sequential decoder({Input({3}), Dense(4, {.name = "d"})}, named("decoder"));
  const Value x = Input({4});
  Model whole(x, decoder(encoder(x)), named());
  EXPECT_EQ(whole.weight_names(), (std::vector<std::string>{"encoder/e/kernel", "encoder/e/bias",
                                                            "decoder/d/kernel", "decoder/d/bias"}));
  const Tensor data = Tensor::normal({10, 4}, 0, 1, 1);
  EXPECT_TRUE(same(whole.predict(data), decoder.predict(encoder.predict(data))));
  whole.compile({.optimizer = "sgd", .loss = "mse"});
  whole.train_on_batch(data, data);
  EXPECT_TRUE(same(whole.predict(data), decoder.predict(encoder.predict(data))));
  EXPECT_TRUE(same(whole.get_weights()[2], decoder.get_weights()[0]));
}

TEST(NestedModels, CalledTwiceUseTheirWeightsTwice) {
  Sequential tower({Input({4}), Dense(3, {.name = "t"})}, named("tower"));
  const Value a = Input({4}), b = Input({4});
  Model twins({a, b}, Subtract()({tower(a), tower(b)}), named());
  EXPECT_EQ(twins.weight_names().size(), 2u);
  const Tensor x = Tensor::normal({5, 4}, 0, 1, 1);
  const Tensor difference = twins.predict({x, x});
  for (const float value : difference.data<float>()) EXPECT_EQ(value, 0.0f);
}

TEST(NestedModels, StandInASequential) {
  Sequential inner({Input({4}), Dense(3)}, named("inner"));
  Sequential outer({Input({4}), inner, Dense(2)}, named());
  EXPECT_EQ(outer.count_params(), 4 * 3 + 3 + 3 * 2 + 2);
  EXPECT_EQ(outer.weight_names()[0], "inner/dense/kernel");
}

TEST(NestedModels, AreWrittenAsJsonAndReadAgain) {
  const Value x = Input({4}, {.name = "x"});
  Sequential inner({Input({4}, {.name = "i"}), Dense(3, {.name = "d"})}, named("inner"));
  const Value u = Input({3}, {.name = "u"}), v = Input({3}, {.name = "v"});
  const Model functional(
      {u, v}, {Add({.name = "sum"})({u, v}), Multiply({.name = "product"})({u, v})}, named("both"));
  const auto both = functional.call({inner(x), inner(x)});
  Model model(x, {both[1], Dense(1, {.name = "head"})(both[0])}, named());
  Model read = Model::from_json(model.to_json(), named());
  EXPECT_EQ(read.to_json(), model.to_json());
  EXPECT_EQ(read.weight_names(), model.weight_names());
  read.set_weights(model.get_weights());
  const Tensor data = Tensor::normal({6, 4}, 0, 1, 2);
  EXPECT_TRUE(same(read.predict_outputs(data)[1], model.predict_outputs(data)[1]));
  Model clone = clone_model(model);
  EXPECT_EQ(clone.to_json(), model.to_json());
}

TEST(NestedModels, FrozenAsAWholeKeepTheirWeights) {
  Sequential inner({Input({4}), Dense(3)}, named("inner"));
  inner.set_trainable(false);
  Sequential outer({Input({4}), inner, Dense(4)}, named());
  outer.compile({.optimizer = "sgd", .loss = "mse"});
  const Tensor x = Tensor::normal({6, 4}, 0, 1, 2);
  const auto before = outer.get_weights();
  outer.train_on_batch(x, x);
  EXPECT_TRUE(same(outer.get_weights()[0], before[0]));
  EXPECT_FALSE(same(outer.get_weights()[2], before[2]));
}

TEST(NestedModels, RefuseWhatTheyDoNotTake) {
  Sequential inner({Input({4}), Dense(3)}, named("inner"));
  const Value x = Input({5});
  EXPECT_EQ(message_of<ShapeError>([&] { inner(x); }),
            "Sequential \"inner\": expected a value of (None, 4) for its input \"input_layer\", "
            "received (None, 5)");
  EXPECT_EQ(message_of<ShapeError>([&] {
              inner({x, x});
            }),
            "Sequential \"inner\": expected 1 input, received 2");
  const Value a = Input({3});
  const Model two(a, {Dense(1)(a), Dense(2)(a)}, named("two"));
  EXPECT_EQ(
      message_of<ShapeError>([&] { two(a); }),
      "Functional \"two\": expected a layer of one output, received 2 outputs; call() returns "
      "them all");
  EXPECT_EQ(message_of<ValueError>([&] { two.get_layer("dens"); }),
            "Model \"two\": get_layer: there is no layer \"dens\"; did you mean \"dense\"?");
}

TEST(NestedModels, DropDifferentElementsInEachCall) {
  Sequential drop({Input({64}), Dropout(0.5)}, named("drop"));
  const Value x = Input({64});
  const Value first = drop(x), second = drop(x);
  Model model(x, Subtract()({first, second}), named());
  model.compile({.optimizer = "sgd", .loss = "mse"});
  const Logs logs = model.train_on_batch(Tensor::full({16, 64}, 1), Tensor({16, 64}));
  EXPECT_GT(logs.loss(), 0.5);  // about 2, and 0 where both calls drop the same
}

// ---- Masks -------------------------------------------------------------------------------------
TEST(Masks, TravelBesideValues) {
  const Value ids = Input({5}, {.dtype = "int32"});
  const Value x = Embedding(10, 3, {.mask_zero = true})(ids);
  EXPECT_TRUE(x.has_mask());
  EXPECT_TRUE(Dense(2)(x).has_mask());
  EXPECT_TRUE(Dropout(0.1)(Activation("relu")(x)).has_mask());
  EXPECT_FALSE(Embedding(10, 3)(ids).has_mask());
  EXPECT_TRUE(Add()({x, x}).has_mask());
  EXPECT_FALSE(Add()({x, Embedding(10, 3)(ids)}).has_mask());
  EXPECT_TRUE(Concatenate()({x, Embedding(10, 3)(ids)}).has_mask());
  EXPECT_TRUE(Masking()(Input({5, 3})).has_mask());
}

TEST(Masks, ThatALayerCannotTakeAreErrorsAtTheCall) {
  const Value ids = Input({6}, {.dtype = "int32"});
  const Value x = Embedding(10, 3, {.mask_zero = true})(ids);
  EXPECT_EQ(
      message_of<ValueError>([&] { Flatten({.name = "flat"})(x); }),
      "Flatten \"flat\": expected a value without a mask, received one with a mask of (None, "
      "6), which this layer can't take: steps that are masked would count as the others do. "
      "Make the value without a mask (mask_zero = false), or let a layer that uses it up come "
      "first");
  EXPECT_TRUE(
      contains(message_of<ValueError>([&] {
                 Sequential({Input({6}, {.dtype = "int32"}), Embedding(10, 3, {.mask_zero = true}),
                             BatchNormalization()});
               }),
               "BatchNormalization \"batch_normalization\": expected a value without a mask"));
}

TEST(Masks, LeaveStepsOutOfTheLossAndOfMetrics) {
  const Value ids = Input({3}, {.dtype = "int32"});
  const Value y =
      Dense(1, {.kernel_initializer = "zeros"})(Embedding(10, 2, {.mask_zero = true})(ids));
  Model model(ids, y, named());
  model.compile({.optimizer = "sgd", .loss = "mse", .metrics = {"mae"}});
  const Tensor x = Tensor::from<std::int32_t>({2, 3}, {1, 0, 0, 2, 3, 0});
  const Tensor target = Tensor::from<float>({2, 3, 1}, {1, 100, 100, 2, 3, 100});
  const Logs logs = model.test_on_batch(x, target);
  EXPECT_FLOAT_EQ(static_cast<float>(logs.loss()), (1.0f + 4.0f + 9.0f) / 3.0f);
  EXPECT_FLOAT_EQ(static_cast<float>(logs["mae"]), 2.0f);
}

}  // namespace
}  // namespace stoker

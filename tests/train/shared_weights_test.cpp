// Models that have layers in common train and use the same weights.
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <string>
#include <thread>
#include <vector>

#include "support/message.h"

namespace stoker {
namespace {

using test::message_of;

// On the device that the program is run for.
ModelOptions seeded(std::uint64_t seed = 0) { return {.seed = seed, .threads = 1}; }

const Tensor& data() {
  static const Tensor x = Tensor::normal({24, 6}, 0, 1, 3);
  return x;
}

std::vector<float> values(const Tensor& tensor) {
  const auto data = tensor.data<float>();
  return {data.begin(), data.end()};
}

std::vector<std::vector<float>> weights(const Model& model) {
  std::vector<std::vector<float>> all;
  for (const Tensor& weight : model.get_weights()) all.push_back(values(weight));
  return all;
}

void train(Model& model, const Tensor& x, const Tensor& y, int steps = 3) {
  for (int i = 0; i < steps; ++i) model.train_on_batch(x, y);
}

// An autoencoder, and the values that an encoder is made of.
struct Autoencoder {
  Value input = Input({6});
  Layer hidden = Dense(4, {.activation = "tanh", .name = "hidden"});
  Layer to_code = Dense(2, {.name = "to_code"});
  Value code = to_code(hidden(input));
  Value output = Dense(6, {.name = "decoded"})(code);
};

TEST(SharedWeights, AnEncoderMadeAfterTrainingHasTheTrainedWeights) {
  const Autoencoder parts;
  Model autoencoder(parts.input, parts.output, seeded());
  autoencoder.compile({.optimizer = Adam({.learning_rate = 0.1}), .loss = "mse"});
  train(autoencoder, data(), data());
  Model encoder(parts.input, parts.code, seeded(7));
  const auto all = weights(autoencoder);
  EXPECT_EQ(weights(encoder), (std::vector<std::vector<float>>(all.begin(), all.begin() + 4)));
}

TEST(SharedWeights, AnEncoderMadeBeforeTrainingFollowsIt) {
  const Autoencoder parts;
  Model encoder(parts.input, parts.code, seeded(7));
  Model autoencoder(parts.input, parts.output, seeded());
  autoencoder.compile({.optimizer = Adam({.learning_rate = 0.1}), .loss = "mse"});
  const Tensor before = encoder.predict(data());
  train(autoencoder, data(), data());
  EXPECT_NE(values(encoder.predict(data())), values(before));
  const auto all = weights(autoencoder);
  EXPECT_EQ(weights(encoder), (std::vector<std::vector<float>>(all.begin(), all.begin() + 4)));
}

TEST(SharedWeights, LayersKeepThemWhenTheirModelHasGone) {
  const Autoencoder parts;
  std::vector<std::vector<float>> trained;
  {
    Model autoencoder(parts.input, parts.output, seeded());
    autoencoder.compile({.optimizer = "sgd", .loss = "mse"});
    train(autoencoder, data(), data());
    trained = weights(autoencoder);
  }
  EXPECT_EQ(weights(Model(parts.input, parts.output, seeded(5))), trained);
}

TEST(SharedWeights, ASequentialTakesAnotherModelsLayers) {
  Sequential model({Input({6}), Dense(4, {.name = "a"}), Dense(2, {.name = "b"})}, seeded());
  const Layer first = model.get_layer("a");
  Sequential features({Input({6}), first}, seeded());
  EXPECT_EQ(weights(features)[0], weights(model)[0]);
  model.compile({.optimizer = "sgd", .loss = "mse"});
  train(model, data(), Tensor({24, 2}));
  EXPECT_EQ(weights(features)[0], weights(model)[0]);
}

TEST(SharedWeights, AModelIsMadeOfAnothersInputsAndALayersOutput) {
  Sequential model({Input({6}), Dense(4, {.name = "a"}), Dense(2, {.name = "b"})}, seeded());
  Model features(model.inputs(), model.layer_output("a"), seeded());
  EXPECT_EQ(features.predict(data()).shape(), (Shape{24, 4}));
  EXPECT_EQ(weights(features)[0], weights(model)[0]);
  EXPECT_EQ(values(Model(model.inputs(), model.outputs(), seeded()).predict(data())),
            values(model.predict(data())));
  EXPECT_EQ(message_of<ValueError>([&] { model.layer_output("aa"); }),
            "Model \"sequential\": layer_output: there is no layer \"aa\"");
}

// Two models of their own, the same ones with a third that joins them, and what each is then.
struct Pair {
  Value a_in = Input({6}), b_in = Input({3});
  Layer a1 = Dense(5, {.activation = "relu", .name = "a1"}), a2 = Dense(3, {.name = "a2"});
  Layer b1 = Dense(4, {.activation = "relu", .name = "b1"}), b2 = Dense(1, {.name = "b2"});
  Value a_out = a2(a1(a_in)), b_out = b2(b1(b_in));
  Model a{a_in, a_out, seeded(1)}, b{b_in, b_out, seeded(2)};
};

TEST(SharedWeights, TwoModelsJoinedLaterByAThirdKeepTheirsAndTrainOnAsBefore) {
  Pair apart, joined;
  const Tensor a_y = Tensor::normal({24, 3}, 0, 1, 4), b_x = Tensor::normal({24, 3}, 0, 1, 5),
               b_y = Tensor::normal({24, 1}, 0, 1, 6);
  for (Pair* pair : {&apart, &joined}) {
    pair->a.compile({.optimizer = Adam({.learning_rate = 0.01}), .loss = "mse"});
    pair->b.compile({.optimizer = Adam({.learning_rate = 0.02}), .loss = "mse"});
    train(pair->a, data(), a_y);
    train(pair->b, b_x, b_y);
  }
  Model c(joined.a_in, joined.b2(joined.b1(joined.a_out)), seeded());
  EXPECT_EQ(weights(joined.a), weights(apart.a));
  EXPECT_EQ(weights(joined.b), weights(apart.b));
  for (Pair* pair : {&apart, &joined}) {
    train(pair->a, data(), a_y);
    train(pair->b, b_x, b_y);
  }
  EXPECT_EQ(weights(joined.a), weights(apart.a));
  EXPECT_EQ(weights(joined.b), weights(apart.b));
  auto both = weights(joined.a);
  for (const auto& weight : weights(joined.b)) both.push_back(weight);
  EXPECT_EQ(weights(c), both);
  // And the third one trains all of them.
  c.compile({.optimizer = "sgd", .loss = "mse"});
  train(c, data(), b_y);
  EXPECT_NE(weights(joined.a), weights(apart.a));
  EXPECT_NE(weights(joined.b), weights(apart.b));
}

// A model whose weights lie apart in the store takes the steps that it would take alone.
TEST(SharedWeights, WeightsThatLieApartTrainAsThoseThatLieTogether) {
  const auto parts = [](bool with_middle) {
    const Value input = Input({6});
    const Layer first = Dense(4, {.activation = "tanh", .name = "first"});
    const Layer last = Dense(2, {.name = "last"});
    const Value h = first(input);
    if (with_middle) {
      const Value middle = Dense(4, {.name = "middle"})(h);
      const Model all(input, {last(middle), middle}, seeded(3));
    }
    return Model(input, last(h), seeded(3));
  };
  for (const Optimizer& optimizer :
       {Optimizer(Adam({.learning_rate = 0.05})),
        Optimizer(SGD({.learning_rate = 0.1, .momentum = 0.9})),
        Optimizer(AdamW({.learning_rate = 0.05, .weight_decay = 0.1}))}) {
    Model alone = parts(false), apart = parts(true);
    for (Model* model : {&alone, &apart}) {
      model->compile({.optimizer = optimizer, .loss = "mse"});
      train(*model, data(), Tensor({24, 2}), 5);
    }
    EXPECT_EQ(weights(alone), weights(apart));
  }
}

struct Gan {
  explicit Gan(bool discriminator_first) {
    const Value noise = Input({3}), sample = Input({6});
    const Layer g = Dense(6, {.name = "g"});
    const Layer d1 = Dense(4, {.activation = "relu", .name = "d1"});
    const Layer d2 = Dense(1, {.activation = "sigmoid", .name = "d2"});
    const auto make_discriminator = [&] {
      discriminator = std::make_unique<Model>(sample, d2(d1(sample)), seeded(1));
      discriminator->compile(
          {.optimizer = Adam({.learning_rate = 0.05}), .loss = "binary_crossentropy"});
    };
    const auto make_combined = [&] {
      combined = std::make_unique<Model>(noise, d2(d1(g(noise))), seeded(1));
      Layer frozen1 = d1, frozen2 = d2;
      frozen1.set_trainable(false);
      frozen2.set_trainable(false);
      combined->compile(
          {.optimizer = Adam({.learning_rate = 0.05}), .loss = "binary_crossentropy"});
      frozen1.set_trainable(true);
      frozen2.set_trainable(true);
    };
    if (discriminator_first) {
      make_discriminator();
      make_combined();
    } else {
      make_combined();
      make_discriminator();
    }
  }

  void train() {
    const Tensor noise = Tensor::normal({24, 3}, 0, 1, 8);
    for (int i = 0; i < 4; ++i) {
      const auto before = weights(*combined);
      discriminator->train_on_batch(data(), Tensor::full({24, 1}, 1));
      EXPECT_EQ(weights(*combined)[0], before[0]);  // the generator
      EXPECT_NE(weights(*combined)[2], before[2]);
      const auto between = weights(*combined);
      combined->train_on_batch(noise, Tensor::full({24, 1}, 1));
      EXPECT_NE(weights(*combined)[0], between[0]);
      EXPECT_EQ(weights(*combined)[2], between[2]);  // frozen here alone
    }
  }

  std::unique_ptr<Model> discriminator, combined;
};

TEST(SharedWeights, OfAGanTrainTheSameInBothOrdersOfConstruction) {
  Gan first(true), second(false);
  EXPECT_EQ(weights(*first.combined), weights(*second.combined));
  first.train();
  second.train();
  EXPECT_EQ(weights(*first.combined), weights(*second.combined));
}

TEST(SharedWeights, AreFrozenByTheModelThatWasCompiledSo) {
  const Value input = Input({6});
  Layer shared = Dense(4, {.name = "shared"});
  const Value h = shared(input);
  Model one(input, Dense(1, {.name = "head1"})(h), seeded());
  Model other(input, Dense(1, {.name = "head2"})(h), seeded());
  one.compile({.optimizer = "sgd", .loss = "mse"});
  shared.set_trainable(false);
  other.compile({.optimizer = "sgd", .loss = "mse"});
  const auto before = weights(one);
  train(other, data(), Tensor::full({24, 1}, 1));
  EXPECT_EQ(weights(one)[0], before[0]);
  train(one, data(), Tensor::full({24, 1}, 1));  // trains it, whatever the flag says by now
  EXPECT_NE(weights(one)[0], before[0]);
  EXPECT_EQ(weights(other)[0], weights(one)[0]);
  // The plan for another batch size is made later, by the same compile().
  const auto now = weights(one);
  train(one, data().rows(0, 5), Tensor::full({5, 1}, 1));
  EXPECT_NE(weights(one)[0], now[0]);
}

TEST(SharedWeights, AreNotAClones) {
  Sequential model({Input({6}), Dense(2)}, seeded());
  Model clone = clone_model(model);
  model.compile({.optimizer = "sgd", .loss = "mse"});
  const auto before = weights(clone);
  train(model, data(), Tensor({24, 2}));
  EXPECT_EQ(weights(clone), before);
}

TEST(SharedWeights, SetInOneModelAreSetInTheOther) {
  const Autoencoder parts;
  Model autoencoder(parts.input, parts.output, seeded()),
      encoder(parts.input, parts.code, seeded());
  std::vector<Tensor> ones;
  for (const Tensor& weight : encoder.get_weights())
    ones.push_back(Tensor::full(weight.shape(), 1));
  encoder.set_weights(ones);
  EXPECT_EQ(weights(autoencoder)[0], values(ones[0]));
}

TEST(SharedWeights, MovingStatisticsAreShared) {
  const Value input = Input({6});
  const Value normed = BatchNormalization({.name = "norm"})(input);
  Model model(input, Dense(1)(normed), seeded()), features(input, normed, seeded());
  model.compile({.optimizer = "sgd", .loss = "mse"});
  const auto before = weights(features);
  train(model, data(), Tensor({24, 1}));
  EXPECT_NE(weights(features)[2], before[2]);
}

TEST(SharedWeights, HaveOneDeviceAndOnePolicy) {
  const Autoencoder parts;
  const Model autoencoder(parts.input, parts.output, {.device = Device::cpu()});
  EXPECT_EQ(message_of<ValueError>(
                [&] { Model(parts.input, parts.code, {.device = Device::simulated()}); }),
            "Model \"functional\": Dense \"hidden\" has its weights on cpu, where another model "
            "uses them; expected the same device, received simulated. A shared weight has one "
            "device");
  EXPECT_EQ(message_of<ValueError>([&] {
              Model(parts.input, parts.code,
                    {.device = Device::cpu(), .dtype_policy = "mixed_bfloat16"});
            }),
            "Model \"functional\": Dense \"hidden\" is part of a model of dtype_policy float32; "
            "expected the same policy, received mixed_bfloat16. Models that share weights have one "
            "policy");
}

TEST(SharedWeights, StayWhereTheyAreWhenTheDeviceBreaksWhileStoresAreJoined) {
  for (std::int64_t call = 20; call < 40; ++call) {
    const ModelOptions options{.device = Device::simulated({.break_at_call = call})};
    try {
      const Value x = Input({6}), y = Input({4});
      const Value h = Dense(4)(x);
      const Model a(x, h, options), b(y, Dense(4)(y), options);
      const Model joined(x, b(h), options);
    } catch (const DeviceError&) {
    }
  }
}

TEST(SharedWeights, OfStoresThatWereJoinedAreInMemoryOnce) {
  const Device device = Device::simulated({.memory_bytes = (4 << 20) + (1 << 16)});
  const ModelOptions options{.device = device};
  const Value x = Input({256}), y = Input({256});
  const Value h = Dense(1024)(x), k = Dense(1024)(y);  // 1 MiB each
  const Model a(x, h, options), b(y, k, options);
  const Model joined({x, y}, {h, k}, options);  // 2 MiB, beside 2 that go then
  const Value z = Input({256});
  const Model other(z, Dense(1024)(z), options);
  EXPECT_EQ(weights(a)[0], weights(joined)[0]);
}

TEST(SharedWeights, AreSharedByModelsThatThreadsConstructAtATime) {
  for (int round = 0; round < 200; ++round) {
    const Value x = Input({6}), y = Input({3});
    const Value h = Dense(3)(x), k = Dense(3)(y);
    if (round % 2 == 0) {
      const Model a(x, h, seeded()), b(y, k, seeded());
    }
    std::optional<Model> one, other;
    std::thread thread([&] {
      one.emplace(std::vector{x, y}, std::vector{Flatten()(h), k}, seeded());
    });
    other.emplace(std::vector{y, x}, std::vector{Flatten()(k), h}, seeded());
    thread.join();
    const auto first = one->get_weights(), second = other->get_weights();
    std::vector<Tensor> ones;
    for (const Tensor& weight : first) ones.push_back(Tensor::full(weight.shape(), 1));
    one->set_weights(ones);
    for (const Tensor& weight : other->get_weights()) EXPECT_EQ(weight.data<float>()[0], 1.0f);
  }
}

TEST(SharedWeights, OfLayersThatWereMovedFromAreAskedOfThoseTheyWentTo) {
  Layer layer = Dense(2);
  const Layer moved = std::move(layer);
  const std::string expected = "Layer: expected a layer, received one that was moved from";
  EXPECT_EQ(message_of<ValueError>([&] { layer(Input({6})); }), expected);
  EXPECT_EQ(message_of<ValueError>([&] { layer.name(); }), expected);
  EXPECT_EQ(message_of<ValueError>([&] { Sequential({Input({6}), layer}); }), expected);
  EXPECT_EQ(message_of<ValueError>([&] { Sequential({layer, moved}); }), expected);
}

TEST(SharedWeights, OfALayerThatStandsTwiceInASequentialAreReadAgainAsOne) {
  const Layer twice = Dense(6, {.name = "twice"});
  const Sequential model({Input({6}), twice, twice}, seeded());
  const Model read = Model::from_json(model.to_json(), seeded());
  EXPECT_EQ(read.weight_names(), model.weight_names());
}

TEST(SharedWeights, OfAModelThatTrainsAreNobodyElsesMeanwhile) {
  const Autoencoder parts;
  Model autoencoder(parts.input, parts.output, seeded()),
      encoder(parts.input, parts.code, seeded());
  autoencoder.compile({.optimizer = "sgd", .loss = "mse"});
  std::string message;
  const auto asks = generator<float, float>(
      {.x = {8, 6}, .y = {8, 6}}, [&](BatchContext&, std::span<float>, std::span<float>) {
        message = message_of<ValueError>([&] { encoder.predict(data()); });
      });
  autoencoder.fit(asks, {.steps_per_epoch = 1, .verbose = 0});
  EXPECT_EQ(
      message,
      "Model \"functional\": predict: expected weights that nobody uses, but fit is under way "
      "on model \"functional\", which shares layers with this one. Wait until that has ended");
}

TEST(SharedWeights, TwoLayersThatGotTheSameNameAreToldApartByAThirdModel) {
  const Value a = Input({6}), b = Input({6});
  const Layer of_a = Dense(2), of_b = Dense(2);
  const Model first(a, of_a(a), seeded(1)), second(b, of_b(b), seeded(2));
  EXPECT_EQ(first.weight_names()[0], "dense/kernel");
  EXPECT_EQ(second.weight_names()[0], "dense/kernel");
  const Value x = Input({6});
  const Model both(x, {of_a(x), of_b(x)}, seeded());
  EXPECT_EQ(both.weight_names(), (std::vector<std::string>{"dense/kernel", "dense/bias",
                                                           "dense_1/kernel", "dense_1/bias"}));
  EXPECT_EQ(weights(both)[0], weights(first)[0]);
  EXPECT_EQ(weights(both)[2], weights(second)[0]);
}

// ---- Sequential::add ---------------------------------------------------------------------------
TEST(SequentialAdd, KeepsTheWeightsOfTheLayersBelow) {
  Sequential model({Input({6}), Dense(4)}, seeded());
  const auto before = weights(model);
  model.add(Dense(2));
  EXPECT_EQ(weights(model)[0], before[0]);
  EXPECT_EQ(weights(model).size(), 4u);
}

TEST(SequentialAdd, BeginsWithoutLayersAndChecksEachAtOnce) {
  Sequential model(seeded());
  EXPECT_EQ(message_of<ValueError>([&] { model.summary(); }),
            "Sequential: expected layers, received none; add(Input(shape)) first");
  EXPECT_NE(message_of<ValueError>([&] { model.add(Dense(2)); }).find("expected Input(shape)"),
            std::string::npos);
  model.add(Input({6, 2}));
  EXPECT_EQ(
      message_of<ShapeError>([&] { model.add(Conv2D(2, 3)); }),
      "Conv2D \"conv2d\": expected input of rank 4, received (None, 6, 2). Images are (batch, "
      "height, width, channels)");
  model.add(Flatten());
  model.add(Dense(2, {.name = "head"}));
  EXPECT_EQ(message_of<ValueError>([&] { model.add(Dense(2, {.name = "head"})); }),
            "two layers are named \"head\": names of a model's layers must differ");
  EXPECT_EQ(model.predict(Tensor({3, 6, 2})).shape(), (Shape{3, 2}));
}

// ---- Predictors --------------------------------------------------------------------------------
TEST(Predictors, GiveWhatTheModelGivesAsItIsByThen) {
  Sequential model({Input({6}), Dense(4, {.activation = "tanh"}), Dense(2)}, seeded());
  model.compile({.optimizer = Adam({.learning_rate = 0.1}), .loss = "mse"});
  Predictor predictor = model.predictor();
  EXPECT_EQ(values(predictor.predict(data())), values(model.predict(data(), {.batch_size = 24})));
  train(model, data(), Tensor({24, 2}));
  EXPECT_EQ(values(predictor.predict(data())), values(model.predict(data(), {.batch_size = 24})));
  EXPECT_EQ(predictor.predict(data().rows(0, 5)).shape(), (Shape{5, 2}));
}

TEST(Predictors, OutliveTheirModelAndFollowAJoinedStore) {
  const Autoencoder parts;
  std::optional<Predictor> predictor;
  Tensor expected;
  {
    Model encoder(parts.input, parts.code, seeded());
    predictor.emplace(encoder.predictor());
    expected = encoder.predict(data(), {.batch_size = 24});
  }
  EXPECT_EQ(values(predictor->predict(data())), values(expected));
  const Value first = Input({2});
  const Model other(first, Dense(6)(first), seeded());  // whose store comes first in the next
  const Model joined(first, parts.to_code(parts.hidden(other(first))), seeded());
  EXPECT_EQ(values(predictor->predict(data())), values(expected));
}

TEST(Predictors, ComputeInEightThreadsAtATime) {
  Sequential model({Input({6}), Dense(16, {.activation = "relu"}), Dense(3)},
                   {.threads = 1, .device = Device::cpu()});
  const Tensor expected = model.predict(data(), {.batch_size = 24});
  std::vector<Predictor> predictors;
  for (int i = 0; i < 8; ++i) predictors.push_back(model.predictor());
  std::vector<int> wrong(8);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      for (int k = 0; k < 50; ++k) {
        if (values(predictors[i].predict(data())) != values(expected)) ++wrong[i];
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(8));
}

TEST(Predictors, AreRefusedWhileTheModelTrains) {
  Sequential model({Input({6}), Dense(6)}, seeded());
  model.compile({.optimizer = "sgd", .loss = "mse"});
  Predictor predictor = model.predictor();
  std::string message;
  const auto asks = generator<float, float>(
      {.x = {8, 6}, .y = {8, 6}}, [&](BatchContext&, std::span<float>, std::span<float>) {
        message = message_of<ValueError>([&] { predictor.predict(data()); });
      });
  model.fit(asks, {.steps_per_epoch = 1, .verbose = 0});
  EXPECT_EQ(message,
            "Model \"sequential\": a predictor's predict: expected weights that nobody uses, but "
            "fit is under way on model \"sequential\", which shares layers with this one. Wait "
            "until that has ended");
}

}  // namespace
}  // namespace stoker

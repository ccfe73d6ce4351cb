// Whole trainings through the public face.
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <cmath>
#include <cstring>

namespace stoker {
namespace {

// y = x W + b with fixed W and b.
struct Linear {
  Tensor x = Tensor::normal({256, 3}, 0.0f, 1.0f, 1);
  Tensor y{Shape{256, 2}};

  Linear() {
    const auto in = x.data<float>();
    const auto out = y.data<float>();
    for (std::size_t i = 0; i < 256; ++i) {
      out[i * 2] = 2.0f * in[i * 3] - in[i * 3 + 1] + 0.5f;
      out[i * 2 + 1] = in[i * 3 + 2] - 3.0f * in[i * 3] - 1.0f;
    }
  }
};

Sequential small_cnn(std::uint64_t seed = 3, int threads = 2) {
  return Sequential(
      {
          Input({12, 12, 1}),
          Conv2D(8, 3, {.activation = "relu"}),
          BatchNormalization(),
          MaxPooling2D(2),
          Conv2D(8, 3, {.activation = "relu"}),
          Flatten(),
          Dropout(0.25),
          Dense(4),
      },
      {.seed = seed, .threads = threads});
}

// Four classes of images, told apart by which quarter is bright.
auto quarters(std::int64_t batch_size) {
  return generator<float, std::int32_t>(
      {.x = {batch_size, 12, 12, 1}, .y = {batch_size}},
      [](BatchContext& batch, std::span<float> x, std::span<std::int32_t> y) {
        for (std::size_t row = 0; row < y.size(); ++row) {
          const auto label = static_cast<std::int32_t>(batch.random.integer(0, 4));
          y[row] = label;
          for (std::int32_t i = 0; i < 144; ++i) {
            const bool bright = (i / 12 >= 6) == (label >= 2) && (i % 12 >= 6) == (label % 2 == 1);
            x[row * 144 + static_cast<std::size_t>(i)] =
                batch.random.uniform() * 0.5f + (bright ? 0.5f : 0.0f);
          }
        }
      });
}

void compile_classifier(Model& model) {
  model.compile({.optimizer = Adam({.learning_rate = 1e-2}),
                 .loss = SparseCategoricalCrossentropy({.from_logits = true}),
                 .metrics = {"accuracy"}});
}

bool same_bits(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i].bytes() != b[i].bytes() || std::memcmp(a[i].raw(), b[i].raw(), a[i].bytes()) != 0) {
      return false;
    }
  }
  return true;
}

TEST(Train, LinearRegressionFindsTheWeights) {
  const Linear data;
  Sequential model({Input({3}), Dense(2)});
  model.compile({.optimizer = SGD({.learning_rate = 0.1}), .loss = "mse"});
  const History history = model.fit(data.x, data.y, {.epochs = 60, .verbose = 0});
  EXPECT_LT(history["loss"].back(), 1e-6);
  EXPECT_GT(history["loss"].front(), history["loss"].back());
  const auto weights = model.get_weights();
  ASSERT_EQ(weights.size(), 2u);
  EXPECT_NEAR(weights[0].data<float>()[0], 2.0f, 1e-3);
  EXPECT_NEAR(weights[1].data<float>()[1], -1.0f, 1e-3);
}

TEST(Train, ConvolutionalNetworkLearnsFromAGenerator) {
  Sequential model = small_cnn();
  compile_classifier(model);
  auto batches = quarters(32);
  const History history =
      model.fit_generator(batches, {.steps_per_epoch = 40, .epochs = 2, .verbose = 0});
  EXPECT_GT(history["accuracy"].back(), 0.95);
  EXPECT_EQ(model.iterations(), 80);
  EXPECT_EQ(history.feed.batches, 80);
  EXPECT_EQ(history.feed.samples, 80 * 32);
  const Logs logs = model.evaluate_generator(batches, {.steps = 5, .verbose = 0});
  EXPECT_GT(logs["accuracy"], 0.9);
}

TEST(Train, TheSameSeedGivesTheSameBits) {
  auto train = [](std::uint64_t seed, int max_queue_size) {
    Sequential model = small_cnn(seed);
    compile_classifier(model);
    auto batches = quarters(32);
    model.fit_generator(
        batches,
        {.steps_per_epoch = 10, .epochs = 2, .verbose = 0, .max_queue_size = max_queue_size});
    return model.get_weights();
  };
  const auto first = train(3, 10);
  EXPECT_TRUE(same_bits(first, train(3, 10)));
  EXPECT_TRUE(same_bits(first, train(3, 1))) << "depends on how far the feed reads ahead";
  EXPECT_FALSE(same_bits(first, train(4, 10)));
}

TEST(Train, AShortLastBatchGetsAPlanOfItsOwn) {
  const Linear data;
  Sequential model({Input({3}), BatchNormalization({.momentum = 0.0}), Dense(2)});
  model.compile({.optimizer = SGD(), .loss = "mse", .metrics = {"mae"}});
  const History history =
      model.fit(data.x, data.y, {.epochs = 1, .verbose = 0, .batch_size = 100, .shuffle = false});
  EXPECT_EQ(history.feed.batches, 3);
  EXPECT_EQ(history.feed.samples, 256);
  // With no momentum the moving mean is that of the last batch: rows 200 to 255.
  double mean = 0.0;
  for (std::size_t i = 200; i < 256; ++i) mean += data.x.data<float>()[i * 3];
  EXPECT_NEAR(model.get_weights()[2].data<float>()[0], mean / 56.0, 1e-5);
}

TEST(Train, LossIsTheMeanOverSamplesNotBatches) {
  const Linear data;
  Sequential model({Input({3}), Dense(2)});
  model.compile({.optimizer = SGD(), .loss = "mse"});
  const double whole = model.evaluate(data.x, data.y, {.verbose = 0, .batch_size = 256}).loss();
  const double parts = model.evaluate(data.x, data.y, {.verbose = 0, .batch_size = 100}).loss();
  EXPECT_NEAR(whole, parts, 1e-5 * whole);
}

TEST(Train, PredictGivesEveryRowInOrder) {
  const Linear data;
  Sequential model({Input({3}), Dense(2)});
  const Tensor all = model.predict(data.x, {.batch_size = 100});
  ASSERT_EQ(all.shape(), (Shape{256, 2}));
  const auto weights = model.get_weights();
  const auto w = weights[0].data<float>();
  for (std::size_t i = 0; i < 256; ++i) {
    const auto x = data.x.data<float>().subspan(i * 3, 3);
    EXPECT_NEAR(all.data<float>()[i * 2], x[0] * w[0] + x[1] * w[2] + x[2] * w[4], 1e-5);
  }
}

TEST(Train, PredictTakesAGenerator) {
  Sequential model = small_cnn();
  auto batches = quarters(8);
  EXPECT_EQ(model.predict_generator(batches, {.steps = 3}).shape(), (Shape{24, 4}));
}

TEST(Train, ValidationRunsBetweenEpochsAndChangesNothing) {
  auto train = [](bool validate) {
    Sequential model = small_cnn();
    compile_classifier(model);
    auto batches = quarters(16);
    FitOptions options{.steps_per_epoch = 5, .epochs = 3, .verbose = 0};
    if (validate) {
      options.validation_generator = quarters(24);
      options.validation_steps = 2;
    }
    const History history = model.fit_generator(batches, options);
    EXPECT_EQ(history.history.count("val_loss"), validate ? 1u : 0u);
    if (validate) {
      EXPECT_EQ(history["val_accuracy"].size(), 3u);
    }
    return model.get_weights();
  };
  EXPECT_TRUE(same_bits(train(false), train(true)));
}

TEST(Train, ValidationDataAndFrequency) {
  const Linear data;
  Sequential model({Input({3}), Dense(2)});
  model.compile({.optimizer = SGD(), .loss = "mse"});
  const History history = model.fit(data.x, data.y,
                                    {.epochs = 4,
                                     .verbose = 0,
                                     .validation_data = ValidationData{data.x, data.y},
                                     .validation_freq = 2});
  EXPECT_EQ(history["val_loss"].size(), 2u);
  EXPECT_EQ(history["loss"].size(), 4u);
}

TEST(Train, TrainOnBatchGivesTheLossBeforeItsUpdate) {
  const Linear data;
  Sequential model({Input({3}), Dense(2)});
  model.compile({.optimizer = SGD({.learning_rate = 0.1}), .loss = "mse"});
  const double before = model.test_on_batch(data.x, data.y).loss();
  EXPECT_EQ(model.iterations(), 0);
  EXPECT_DOUBLE_EQ(model.train_on_batch(data.x, data.y).loss(), before);
  EXPECT_EQ(model.iterations(), 1);
  EXPECT_LT(model.test_on_batch(data.x, data.y).loss(), before);
}

TEST(Train, SampleWeightsScaleTheLoss) {
  const Linear data;
  Sequential model({Input({3}), Dense(2)});
  model.compile({.optimizer = SGD(), .loss = "mse"});
  const double plain = model.test_on_batch(data.x, data.y).loss();
  const Tensor halves = Tensor::full({256}, 0.5f);
  EXPECT_NEAR(model.test_on_batch(data.x, data.y, halves).loss(), plain / 2, 1e-5 * plain);
}

TEST(Train, ClassWeightsAreSampleWeightsByLabel) {
  Tensor x = Tensor::normal({60, 3}, 0.0f, 1.0f, 2);
  Tensor y(Shape{60}, DType::int32);
  Tensor weights(Shape{60});
  for (std::size_t i = 0; i < 60; ++i) {
    y.data<std::int32_t>()[i] = static_cast<std::int32_t>(i % 3);
    weights.data<float>()[i] = i % 3 == 0 ? 2.0f : i % 3 == 1 ? 0.5f : 1.0f;
  }
  auto train = [&](const FitOptions& options) {
    Sequential model({Input({3}), Dense(3)});
    model.compile({.optimizer = SGD({.learning_rate = 0.1}),
                   .loss = SparseCategoricalCrossentropy({.from_logits = true})});
    model.fit(x, y, options);
    return model.get_weights();
  };
  const auto by_class = train({.epochs = 3, .verbose = 0, .class_weight = {{0, 2.0}, {1, 0.5}}});
  EXPECT_TRUE(same_bits(by_class, train({.epochs = 3, .verbose = 0, .sample_weight = weights})));
  EXPECT_FALSE(same_bits(by_class, train({.epochs = 3, .verbose = 0})));
  EXPECT_THROW(train({.verbose = 0, .class_weight = {{0, 2.0}}, .sample_weight = weights}),
               ValueError);
}

TEST(Train, ClassWeightsReachGenerators) {
  auto train = [](const FitOptions& options) {
    Sequential model = small_cnn();
    compile_classifier(model);
    auto batches = quarters(16);
    model.fit_generator(batches, options);
    return model.get_weights();
  };
  const auto plain = train({.steps_per_epoch = 4, .verbose = 0});
  EXPECT_FALSE(
      same_bits(plain, train({.steps_per_epoch = 4, .verbose = 0, .class_weight = {{1, 5.0}}})));
  EXPECT_TRUE(
      same_bits(plain, train({.steps_per_epoch = 4, .verbose = 0, .class_weight = {{1, 1.0}}})));
}

TEST(Train, ValidationSplitKeepsTheLastRows) {
  const Linear data;
  Sequential model({Input({3}), Dense(2)});
  model.compile({.optimizer = SGD({.learning_rate = 0.0}), .loss = "mse"});
  const History history =
      model.fit(data.x, data.y, {.epochs = 2, .verbose = 0, .validation_split = 0.25});
  const double last =
      model.evaluate(data.x.rows(192, 256), data.y.rows(192, 256), {.verbose = 0}).loss();
  EXPECT_NEAR(history["val_loss"].back(), last, 1e-6 * last);
  EXPECT_EQ(history.feed.samples, 2 * 192);
}

TEST(Train, InitialEpochSkipsWhatWasDone) {
  auto train = [](bool in_two_parts) {
    Sequential model = small_cnn();
    compile_classifier(model);
    auto batches = quarters(16);
    if (in_two_parts) {
      model.fit_generator(batches, {.steps_per_epoch = 4, .epochs = 1, .verbose = 0});
      const History rest = model.fit_generator(
          batches, {.steps_per_epoch = 4, .epochs = 3, .verbose = 0, .initial_epoch = 1});
      EXPECT_EQ(rest.epoch, (std::vector<std::int64_t>{1, 2}));
    } else {
      model.fit_generator(batches, {.steps_per_epoch = 4, .epochs = 3, .verbose = 0});
    }
    return model.get_weights();
  };
  EXPECT_TRUE(same_bits(train(false), train(true)));
}

TEST(Train, WeightsCanBeTakenAndSet) {
  Sequential model = small_cnn(1);
  Sequential other = small_cnn(2);
  EXPECT_FALSE(same_bits(model.get_weights(), other.get_weights()));
  other.set_weights(model.get_weights());
  EXPECT_TRUE(same_bits(model.get_weights(), other.get_weights()));
  EXPECT_EQ(model.weight_names()[0], "conv2d/kernel");
}

TEST(Train, FrozenLayersKeepTheirWeights) {
  Layer features = Dense(4, {.activation = "tanh", .name = "features"});
  Sequential model({Input({3}), features, Dense(2)});
  features.set_trainable(false);
  const auto before = model.get_weights();
  const Linear data;
  model.compile({.optimizer = Adam(), .loss = "mse"});
  model.fit(data.x, data.y, {.verbose = 0});
  const auto after = model.get_weights();
  EXPECT_TRUE(same_bits({before[0], before[1]}, {after[0], after[1]}));
  EXPECT_FALSE(same_bits({before[2]}, {after[2]}));
}

TEST(Train, FunctionalModelsShareLayers) {
  Value input = Input({3});
  Layer twice = Dense(3, {.activation = "tanh"});
  Model model(input, Dense(2)(twice(twice(input))));
  EXPECT_EQ(model.get_weights().size(), 4u);
  const Linear data;
  model.compile({.optimizer = Adam({.learning_rate = 0.01}), .loss = "mse"});
  const History history = model.fit(data.x, data.y, {.epochs = 5, .verbose = 0});
  EXPECT_LT(history["loss"].back(), history["loss"].front());
}

TEST(Train, BytesTravelAsBytesAndTrainTheSame) {
  Tensor bytes(Shape{64, 5}, DType::uint8);
  Tensor floats(Shape{64, 5});
  Tensor labels(Shape{64}, DType::int32);
  Random random(5);
  for (std::size_t i = 0; i < 320; ++i) {
    bytes.data<std::uint8_t>()[i] = static_cast<std::uint8_t>(random.integer(0, 256));
    floats.data<float>()[i] = bytes.data<std::uint8_t>()[i];
  }
  for (auto& label : labels.data<std::int32_t>()) {
    label = static_cast<std::int32_t>(random.integer(0, 3));
  }
  auto train = [&](const Tensor& x) {
    Sequential model({Input({5}), Rescaling(1.0 / 255), Dense(3)});
    model.compile(
        {.optimizer = SGD(), .loss = SparseCategoricalCrossentropy({.from_logits = true})});
    model.fit(x, labels, {.verbose = 0});
    return model.get_weights();
  };
  EXPECT_TRUE(same_bits(train(bytes), train(floats)));
}

TEST(Train, SummaryNamesLayersShapesAndCounts) {
  Sequential model = small_cnn();
  std::ostringstream out;
  model.summary(out);
  EXPECT_NE(out.str().find("conv2d_1 (Conv2D)"), std::string::npos) << out.str();
  EXPECT_NE(out.str().find("(None, 5, 5, 8)"), std::string::npos) << out.str();
  EXPECT_NE(out.str().find("Non-trainable params: 16"), std::string::npos) << out.str();
}

TEST(Train, GraphDumpShowsFusedOps) {
  Sequential model = small_cnn();
  compile_classifier(model);
  const std::string dump = model.graph_dump(32);
  EXPECT_NE(dump.find("bias relu}  # Conv2D \"conv2d\""), std::string::npos) << dump;
}

TEST(Train, OptimizersAllLowerTheLoss) {
  const Linear data;
  const Optimizer optimizers[] = {
      SGD({.learning_rate = 0.05, .momentum = 0.9, .nesterov = true}),
      Adam({.learning_rate = 0.05, .amsgrad = true}),
      AdamW({.learning_rate = 0.05}),
      RMSprop({.learning_rate = 0.02, .momentum = 0.5, .centered = true}),
      SGD({.learning_rate = 0.05, .clipnorm = 1.0}),
      SGD({.learning_rate = 0.05, .global_clipnorm = 1.0}),
      SGD({.learning_rate = 0.05, .clipvalue = 0.5})};
  for (const Optimizer& optimizer : optimizers) {
    Sequential model({Input({3}), Dense(2)});
    model.compile({.optimizer = optimizer, .loss = "mse"});
    const History history = model.fit(data.x, data.y, {.epochs = 20, .verbose = 0});
    EXPECT_LT(history["loss"].back(), 0.2 * history["loss"].front());
  }
}

}  // namespace
}  // namespace stoker

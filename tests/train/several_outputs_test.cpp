// Models of several inputs and outputs: how losses, weights, metrics and tensors are given to them.
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <span>
#include <string>
#include <vector>

#include "support/message.h"

namespace stoker {
namespace {

using test::message_of;

constexpr std::int64_t kRows = 20;

struct Data {
  Tensor x1 = Tensor::normal({kRows, 3}, 0, 1, 1);
  Tensor x2 = Tensor::normal({kRows, 2}, 0, 1, 2);
  Tensor price = Tensor::normal({kRows, 1}, 0, 1, 3);
  Tensor kind{{kRows}, DType::int32};
  Data() {
    for (std::int64_t i = 0; i < kRows; ++i) {
      kind.data<std::int32_t>()[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(i % 3);
    }
  }
};

const Data& data() {
  static const Data all;
  return all;
}

Model two_outputs() {
  const Value a = Input({3}, {.name = "a"}), b = Input({2}, {.name = "b"});
  const Value h = Dense(4, {.activation = "tanh", .name = "h"})(Concatenate()({a, b}));
  const Value price = Dense(1, {.name = "price"})(h);
  const Value kind = Dense(3, {.activation = "softmax", .name = "kind"})(h);
  return Model({a, b}, {price, kind}, {.threads = 1});
}

CompileOptions by_name() {
  return {.optimizer = "sgd",
          .loss = {{"price", "mse"}, {"kind", "sparse_categorical_crossentropy"}},
          .loss_weights = {{"price", 0.5}},
          .metrics = {{"price", {"mae"}}, {"kind", "accuracy"}}};
}

std::vector<std::string> names(const Logs& logs) {
  std::vector<std::string> names;
  for (const auto& [name, value] : logs) names.push_back(name);
  return names;
}

std::vector<std::vector<float>> weights(const Model& model) {
  std::vector<std::vector<float>> all;
  for (const Tensor& weight : model.get_weights()) {
    all.emplace_back(weight.data<float>().begin(), weight.data<float>().end());
  }
  return all;
}

TEST(SeveralOutputs, HaveALossAndMetricsEach) {
  Model model = two_outputs();
  model.compile(by_name());
  const Logs logs = model.test_on_batch({data().x1, data().x2}, {data().price, data().kind});
  EXPECT_EQ(names(logs), (std::vector<std::string>{"loss", "price_loss", "kind_loss", "price_mae",
                                                   "kind_accuracy"}));
  EXPECT_NEAR(logs.loss(), 0.5 * logs["price_loss"] + logs["kind_loss"], 1e-6);
}

TEST(SeveralOutputs, GivenInOrderOrByNameAreTheSame) {
  Model in_order = two_outputs(), named = two_outputs();
  in_order.compile({.optimizer = "sgd",
                    .loss = {"mse", "sparse_categorical_crossentropy"},
                    .loss_weights = {0.5, 1.0},
                    .metrics = std::vector<std::vector<Metric>>{{"mae"}, {"accuracy"}}});
  named.compile(by_name());
  const History first = in_order.fit({data().x1, data().x2}, {data().price, data().kind},
                                     {.epochs = 2, .verbose = 0, .batch_size = 8});
  const History second = named.fit({{"b", data().x2}, {"a", data().x1}},
                                   {{"kind", data().kind}, {"price", data().price}},
                                   {.epochs = 2, .verbose = 0, .batch_size = 8});
  EXPECT_EQ(weights(in_order), weights(named));
  EXPECT_EQ(first["price_loss"], second["price_loss"]);
  EXPECT_EQ(first["kind_accuracy"], second["kind_accuracy"]);
}

TEST(SeveralOutputs, HistoryHasThemForValidationToo) {
  Model model = two_outputs();
  model.compile(by_name());
  const History history = model.fit(
      {data().x1, data().x2}, {data().price, data().kind},
      {.verbose = 0,
       .validation_data = ValidationData{{data().x1, data().x2}, {data().price, data().kind}}});
  for (const char* name :
       {"loss", "price_loss", "kind_loss", "price_mae", "kind_accuracy", "val_loss",
        "val_price_loss", "val_kind_loss", "val_price_mae", "val_kind_accuracy"}) {
    EXPECT_EQ(history[name].size(), 1u) << name;
  }
  const History split = model.fit({data().x1, data().x2}, {data().price, data().kind},
                                  {.verbose = 0, .validation_split = 0.25});
  EXPECT_EQ(split["val_kind_loss"].size(), 1u);
}

TEST(SeveralOutputs, GeneratorsGiveThem) {
  Model model = two_outputs();
  model.compile(by_name());
  const auto batches = generator<float, float, float, std::int32_t>(
      BatchShapes{.inputs = {{4, 3}, {4, 2}}, .targets = {{4, 1}, {4}}},
      [](BatchContext& batch, std::span<float> a, std::span<float> b, std::span<float> price,
         std::span<std::int32_t> kind) {
        batch.random.fill_normal(a);
        batch.random.fill_normal(b);
        std::ranges::fill(price, 1.0f);
        std::ranges::fill(kind, 2);
      });
  const History history = model.fit(
      batches,
      {.steps_per_epoch = 3, .verbose = 0, .validation_generator = batches, .validation_steps = 2});
  EXPECT_EQ(history["val_kind_loss"].size(), 1u);
  EXPECT_TRUE(model.evaluate(batches, {.steps = 2, .verbose = 0}).contains("price_mae"));
  const std::vector<Tensor> outputs = model.predict_outputs(batches, {.steps = 2});
  ASSERT_EQ(outputs.size(), 2u);
  EXPECT_EQ(outputs[0].shape(), (Shape{8, 1}));
  EXPECT_EQ(outputs[1].shape(), (Shape{8, 3}));
}

TEST(SeveralOutputs, SampleWeightsAreForAllOrForEach) {
  const Tensor none({kRows}), ones = Tensor::full({kRows}, 1);
  const auto loss_of = [&](const Tensors& sample_weight) {
    Model model = two_outputs();
    model.compile(by_name());
    return model.test_on_batch({data().x1, data().x2}, {data().price, data().kind}, sample_weight);
  };
  const Logs plain = loss_of({});
  EXPECT_EQ(loss_of(ones).loss(), plain.loss());
  EXPECT_EQ(loss_of(none).loss(), 0.0);
  EXPECT_EQ(loss_of({none, ones}).loss(), plain["kind_loss"]);
  EXPECT_EQ(loss_of({{"kind", none}}).loss(), 0.5 * plain["price_loss"]);
}

TEST(SeveralOutputs, EvaluationsTakeSampleWeightsToo) {
  Model model = two_outputs();
  model.compile(by_name());
  const Tensor none({kRows}), ones = Tensor::full({kRows}, 1);
  const Logs logs =
      model.evaluate({data().x1, data().x2}, {data().price, data().kind},
                     {.verbose = 0, .sample_weight = {{"price", none}, {"kind", ones}}});
  EXPECT_EQ(logs["price_loss"], 0.0);
  EXPECT_GT(logs["kind_loss"], 0.0);
  const auto batches = array_source(data().x1, data().price);
  EXPECT_EQ(message_of<ValueError>([&] { model.evaluate(batches, {.sample_weight = ones}); }),
            "evaluate: sample_weight belongs to tensors; a generator gives its weights as a field");
}

TEST(SeveralOutputs, OneMayHaveNoLoss) {
  Model model = two_outputs();
  model.compile({.optimizer = "sgd", .loss = {"mse", Loss()}});
  const Logs logs = model.train_on_batch({data().x1, data().x2}, data().price);
  EXPECT_EQ(names(logs), (std::vector<std::string>{"loss"}));  // which is the only one
  // A target for each output is taken too.
  model.train_on_batch({data().x1, data().x2}, {data().price, data().kind});
}

TEST(SeveralOutputs, OneMayHaveAMetricAndNoLoss) {
  Model model = two_outputs();
  model.compile(
      {.optimizer = "sgd", .loss = {{"price", "mse"}}, .metrics = {{"kind", {"accuracy"}}}});
  const Logs logs = model.train_on_batch({data().x1, data().x2}, {data().price, data().kind});
  EXPECT_EQ(names(logs), (std::vector<std::string>{"loss", "kind_accuracy"}));
}

TEST(SeveralOutputs, PredictOnBatchGivesWhatPredictGives) {
  Model model = two_outputs();
  const auto all = model.predict_outputs({data().x1, data().x2}, {.batch_size = kRows});
  const auto batch = model.predict_on_batch_outputs({{"a", data().x1}, {"b", data().x2}});
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_TRUE(std::ranges::equal(all[i].data<float>(), batch[i].data<float>()));
  }
}

TEST(SeveralOutputs, OneValueTwiceIsTwoOutputs) {
  const Value x = Input({3});
  const Value y = Dense(2, {.name = "y"})(x);
  Model model(x, {y, y, x});
  const auto outputs = model.predict_outputs(data().x1);
  EXPECT_TRUE(std::ranges::equal(outputs[0].data<float>(), outputs[1].data<float>()));
  EXPECT_TRUE(std::ranges::equal(outputs[2].data<float>(), data().x1.data<float>()));
}

TEST(SeveralOutputs, AreWrittenAsJsonAndReadAgain) {
  Model model = two_outputs();
  model.compile(by_name());
  Model read = Model::from_json(model.to_json(), {.threads = 1});
  EXPECT_EQ(read.to_json(), model.to_json());
  model.train_on_batch({data().x1, data().x2}, {data().price, data().kind});
  read.train_on_batch({data().x1, data().x2}, {data().price, data().kind});
  EXPECT_EQ(weights(read), weights(model));
}

TEST(SeveralOutputs, NullIsNoLoss) {
  Model model = two_outputs();
  model.compile({.optimizer = "sgd", .loss = {{"price", "mse"}, {"kind", nullptr}}});
  EXPECT_EQ(names(model.train_on_batch({data().x1, data().x2}, data().price)),
            (std::vector<std::string>{"loss"}));
  EXPECT_EQ(message_of<ValueError>([&] { model.compile({.optimizer = nullptr, .loss = "mse"}); }),
            "Optimizer: expected a name, received a null pointer");
  EXPECT_EQ(
      message_of<ValueError>([&] {
        model.fit({data().x1, data().x2}, data().price, {.validation_data = ValidationData{}});
      }),
      "fit, validation_data: expected x and y, received no x");
}

// ---- Bad input ---------------------------------------------------------------------------------
TEST(SeveralOutputs, ListsOfAnotherLengthAreErrors) {
  Model model = two_outputs();
  EXPECT_EQ(message_of<ValueError>([&] {
              model.compile({.loss = {"mse", "mse", "mae"}});
            }),
            "compile: loss: expected one for each of \"price\", \"kind\", received 3");
  EXPECT_EQ(message_of<ValueError>([&] { model.compile({.loss = "mse", .loss_weights = {1.0}}); }),
            "compile: loss_weights: expected one for each of \"price\", \"kind\", received 1");
  EXPECT_EQ(message_of<ValueError>([&] {
              model.compile({.loss = "mse", .metrics = {"mae", "mae", "mse"}});
            }),
            "compile: metrics: expected one for each of \"price\", \"kind\", received 3");
}

TEST(SeveralOutputs, NamesOfNoOutputAreErrors) {
  Model model = two_outputs();
  EXPECT_EQ(
      message_of<ValueError>([&] {
        model.compile({.loss = {{"pric", "mse"}}});
      }),
      "compile: loss: expected a name of \"price\", \"kind\", received \"pric\"; did you mean "
      "\"price\"?");
  EXPECT_EQ(
      message_of<ValueError>([&] {
        model.compile({.loss = "mse", .metrics = {{"knd", {"mae"}}}});
      }),
      "compile: metrics: expected a name of \"price\", \"kind\", received \"knd\"; did you mean "
      "\"kind\"?");
  model.compile(by_name());
  EXPECT_EQ(message_of<ValueError>([&] {
              model.fit({{"a", data().x1}, {"c", data().x2}}, {data().price, data().kind});
            }),
            "fit: x: expected a name of \"a\", \"b\", received \"c\"");
  EXPECT_EQ(message_of<ValueError>([&] {
              model.fit({data().x1, data().x2}, {{"price", data().price}});
            }),
            "fit: y: expected a tensor for \"kind\", received none");
  EXPECT_EQ(message_of<ValueError>([&] {
              model.fit({data().x1, data().x2},
                        {{"price", data().price}, {"kind", data().kind}, {"kind", data().kind}});
            }),
            "fit: y: \"kind\" stands twice");
}

TEST(SeveralOutputs, OtherNumbersOfTargetsAreErrors) {
  Model model = two_outputs();
  model.compile(by_name());
  EXPECT_EQ(message_of<ShapeError>([&] {
              model.fit({data().x1, data().x2}, data().price);
            }),
            "the source gives 1 target, the model has the outputs \"price\", \"kind\"");
  EXPECT_EQ(message_of<ValueError>([&] {
              model.predict({data().x1, data().x2});
            }),
            "Model \"functional\": predict: expected a model of one output, this one has 2; "
            "predict_outputs() gives them all");
  EXPECT_EQ(message_of<ShapeError>([&] {
              model.train_on_batch({data().x1, data().x2}, {data().price, data().kind.rows(0, 4)});
            }),
            "train_on_batch: expected as many rows of x, y and sample_weight, received x0 (20, 3), "
            "x1 (20, 2), y0 (20, 1), y1 (4,)");
}

TEST(SeveralOutputs, ThatInputsDoNotLeadToAreErrors) {
  const Value a = Input({3}, {.name = "a"}), b = Input({2}, {.name = "b"});
  const Value y = Dense(1)(a), z = Dense(1)(b);
  EXPECT_EQ(message_of<ValueError>([&] {
              Model(a, {y, z});
            }),
            "Model: the output depends on InputLayer \"b\", which is not among the inputs");
  EXPECT_EQ(message_of<ValueError>([&] {
              Model({a, a}, y);
            }),
            "Model: InputLayer \"a\" stands twice among the inputs");
  EXPECT_EQ(message_of<ValueError>([&] { Model(std::vector<Value>{}, std::vector<Value>{y}); }),
            "Model: expected one input or more, received none");
  EXPECT_EQ(message_of<ValueError>([&] { Model(a, std::vector<Value>{}); }),
            "Model: expected one output or more, received none");
}

}  // namespace
}  // namespace stoker

// Layers, losses and metrics of a program's own.
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <cmath>
#include <numeric>
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

Numbers numbers(const Tensor& x) { return {x.data<float>().begin(), x.data<float>().end()}; }

// A Dense of the program's own, to be compared with Stoker's.
class OwnDense : public CustomLayer {
 public:
  explicit OwnDense(std::int64_t units, std::string activation = "linear")
      : units_(units), activation_(std::move(activation)) {}
  std::string class_name() const override { return "OwnDense"; }
  Value call(LayerContext& context, const Value& x) override {
    const Value kernel = context.weight("kernel", {x.shape().back(), units_});
    const Value bias = context.weight("bias", {units_}, {.initializer = "zeros"});
    return ops::activation(ops::matmul(x, kernel) + bias, activation_);
  }
  Config config() const override {
    return Config::map({{"units", units_}, {"activation", activation_}});
  }

 private:
  std::int64_t units_;
  std::string activation_;
};

template <class A, class B>
Model two_layers(const A& first, const B& second, const std::string& policy = "float32") {
  return Sequential({Input({6}), first, second},
                    {.name = "m", .seed = 1, .device = Device::cpu(), .dtype_policy = policy});
}

const Tensor kX = Tensor::normal({8, 6}, 0.0f, 1.0f, 1), kY = Tensor::normal({8, 3}, 0.0f, 1.0f, 2);

void train(Model& model, int steps = 5) {
  for (int i = 0; i < steps; ++i) model.train_on_batch(kX, kY);
}

void expect_same_weights(const Model& a, const Model& b) {
  const std::vector<Tensor> of_a = a.get_weights(), of_b = b.get_weights();
  ASSERT_EQ(of_a.size(), of_b.size());
  for (std::size_t i = 0; i < of_a.size(); ++i) EXPECT_EQ(numbers(of_a[i]), numbers(of_b[i])) << i;
}

TEST(CustomLayers, train_as_stokers_own_bit_by_bit) {
  for (const char* policy : {"float32", "mixed_bfloat16"}) {
    Model own = two_layers(custom_layer<OwnDense>(5, "relu"), custom_layer<OwnDense>(3), policy);
    Model stokers = two_layers(Dense(5, {.activation = "relu"}), Dense(3), policy);
    for (Model* model : {&own, &stokers})
      model->compile({.optimizer = Adam({.learning_rate = 0.01}), .loss = "mse"});
    own.set_weights(stokers.get_weights());
    train(own);
    train(stokers);
    expect_same_weights(own, stokers);
  }
}

// The program of a step is the same, op by op.
TEST(CustomLayers, make_the_same_program) {
  const auto ops_of = [](Model model) {
    model.compile({.optimizer = "adam", .loss = "mse"});
    const std::string dump = model.graph_dump(8);
    std::vector<std::string> ops;
    for (std::size_t at = dump.find(" = "); at != std::string::npos;
         at = dump.find(" = ", at + 1)) {
      ops.push_back(dump.substr(at + 3, dump.find('(', at) - at - 3));
    }
    return ops;
  };
  EXPECT_EQ(ops_of(two_layers(custom_layer<OwnDense>(5, "relu"), custom_layer<OwnDense>(3))),
            ops_of(two_layers(Dense(5, {.activation = "relu"}), Dense(3))));
}

TEST(CustomLayers, name_their_weights_as_keras_does) {
  const Model model = two_layers(custom_layer(std::make_shared<OwnDense>(5), {.name = "first"}),
                                 custom_layer<OwnDense>(3));
  EXPECT_EQ(model.weight_names(), (std::vector<std::string>{"first/kernel", "first/bias",
                                                            "own_dense/kernel", "own_dense/bias"}));
}

TEST(CustomLayers, are_saved_and_loaded) {
  register_layer("OwnDense", [](const Config& config) {
    return std::make_shared<OwnDense>(config.at("units").integer(),
                                      config.at("activation").string());
  });
  const test::TemporaryFolder folder;
  const std::string path = folder / "model.keras";
  Model model = two_layers(custom_layer<OwnDense>(5, "tanh"), custom_layer<OwnDense>(3));
  model.compile({.optimizer = Adam({.learning_rate = 0.01}), .loss = "mse"});
  train(model);
  model.save(path);
  Model loaded = Model::load(path, {.device = Device::cpu()});
  expect_same_weights(loaded, model);
  train(loaded);
  train(model);
  expect_same_weights(loaded, model);
  EXPECT_TRUE(contains(message_of<ValueError>([] {
                         register_layer("OwnDense", [](const Config&) {
                           return std::make_shared<OwnDense>(1);
                         });
                       }),
                       "registered already"));
  EXPECT_TRUE(contains(message_of<ValueError>([] {
                         register_layer(
                             "Dense", [](const Config&) { return std::make_shared<OwnDense>(1); });
                       }),
                       "one of Stoker's layers"));
}

// A layer of other layers, with a loss, a reported value and a moving average.
class Block : public CustomLayer {
 public:
  std::string class_name() const override { return "Block"; }
  Value call(LayerContext& context, const Value& x) override {
    const Value mean = context.weight("mean", {6}, {.initializer = "zeros", .trainable = false});
    const Value h = norm_(inner_(x) + x);
    context.add_loss(ops::mean(ops::square(h)) * 0.1);
    context.add_metric("size", ops::mean(ops::abs(h)));
    context.assign("mean", mean * 0.9 + ops::mean(x, 0) * 0.1);
    return outer_(inner_(h));
  }

 private:
  Layer inner_ = Dense(6, {.activation = "tanh"}), norm_ = LayerNormalization(),
        outer_ = Dense(6, {.name = "outer"});
};

TEST(CustomLayers, are_made_of_layers) {
  Model model = two_layers(custom_layer<Block>(), Dense(3));
  EXPECT_EQ(model.weight_names(),
            (std::vector<std::string>{"block/mean", "block/dense/kernel", "block/dense/bias",
                                      "block/layer_normalization/gamma",
                                      "block/layer_normalization/beta", "block/outer/kernel",
                                      "block/outer/bias", "dense/kernel", "dense/bias"}));
  model.compile({.optimizer = SGD({.learning_rate = 0.1}), .loss = "mse", .metrics = {"mae"}});
  const Logs before = model.test_on_batch(kX, kY);
  const Logs logs = model.train_on_batch(kX, kY);
  EXPECT_FLOAT_EQ(static_cast<float>(logs["size"]), static_cast<float>(before["size"]));
  EXPECT_GT(logs["loss"], 0.0);
  // The moving average of the batch's means.
  const Numbers mean = numbers(model.get_weights()[0]);
  for (std::size_t j = 0; j < 6; ++j) {
    float expected = 0.0f;
    for (std::size_t i = 0; i < 8; ++i) expected += numbers(kX)[i * 6 + j] / 8;
    EXPECT_NEAR(mean[j], 0.1f * expected, 1e-6f);
  }
  const History history = model.fit(kX, kY, {.epochs = 2, .verbose = 0, .batch_size = 4});
  EXPECT_EQ(history["size"].size(), 2U);
}

TEST(CustomLayers, freeze_with_their_parts) {
  Model model = two_layers(custom_layer<Block>(), Dense(3));
  model.get_layer("block").set_trainable(false);
  model.compile({.optimizer = SGD({.learning_rate = 0.1}), .loss = "mse"});
  const std::vector<Tensor> before = model.get_weights();
  train(model, 1);
  const std::vector<Tensor> after = model.get_weights();
  for (std::size_t i = 1; i < 7; ++i) EXPECT_EQ(numbers(after[i]), numbers(before[i])) << i;
  EXPECT_NE(numbers(after[7]), numbers(before[7]));
}

// The loss of a variational autoencoder is its layers' alone, without targets.
TEST(CustomLayers, give_a_model_its_only_loss) {
  class Reconstruct : public CustomLayer {
   public:
    std::string class_name() const override { return "Reconstruct"; }
    std::vector<Value> call(LayerContext& context, const std::vector<Value>& inputs) override {
      context.add_loss(ops::mean(ops::square(inputs[0] - inputs[1])));
      return {inputs[1]};
    }
  };
  const Value x = Input({6});
  const Value mean = Dense(2)(x), log_variance = Dense(2)(x);
  const Value z = mean + ops::exp(0.5 * log_variance) * ops::random::normal_like(mean);
  const Value y = custom_layer<Reconstruct>()({x, Dense(6)(z)});
  Model model(x, y, {.seed = 1, .device = Device::cpu()});
  model.compile({.optimizer = Adam({.learning_rate = 0.01})});
  const History history = model.fit(kX, Tensors(), {.epochs = 30, .verbose = 0});
  EXPECT_LT(history["loss"].back(), 0.8 * history["loss"].front());
  EXPECT_GT(model.evaluate(kX, Tensors(), {.verbose = 0})["loss"], 0.0);
}

TEST(CustomLayerMistakes, say_what_was_expected) {
  class Wrong : public CustomLayer {
   public:
    explicit Wrong(int kind) : kind_(kind) {}
    std::string class_name() const override { return kind_ == 0 ? "Dense" : "Wrong"; }
    Value call(LayerContext& context, const Value& x) override {
      switch (kind_) {
        case 1:
          return context.weight("w", {x.shape()[0], 2});
        case 2:
          context.weight("w", {2});
          return x * context.weight("w", {3});
        case 3:
          context.add_loss(x);
          return x;
        case 4:
          context.assign("w", x);
          return x;
        case 5:
          context.weight("w", {2});
          context.assign("w", ops::mean(x));
          return x;
        case 6:
          return {};
        case 7:
          return kept_ ? kept_ : kept_ = x;
        case 8:
          return x + Input({6});
        default:
          return Dense(6)(x);
      }
    }

   private:
    int kind_;
    Value kept_;
  };
  const auto refused = [](int kind) {
    return message_of<Error>([&] {
      Model model = two_layers(custom_layer<Wrong>(kind), Dense(3));
      model.predict_on_batch(kX);
    });
  };
  EXPECT_TRUE(contains(refused(0), "one of Stoker's layers"));
  EXPECT_TRUE(contains(refused(1), "expected a shape with known extents"));
  EXPECT_TRUE(contains(refused(2), "stands for another weight"));
  EXPECT_TRUE(contains(refused(3), "add_loss: expected one number"));
  EXPECT_TRUE(contains(refused(4), "assign: expected a weight that this call has asked for"));
  EXPECT_TRUE(contains(refused(5), "assign: expected a value of shape (2,)"));
  EXPECT_TRUE(contains(refused(6), "received an empty Value"));
  EXPECT_TRUE(contains(refused(7), "kept from an earlier call"));
  EXPECT_TRUE(contains(refused(8), "received a value of the functional API"));
  EXPECT_TRUE(contains(refused(9), "which its first call did not call"));
  EXPECT_TRUE(contains(message_of<Error>([] {
                         const Value x = Input({6});
                         custom_layer<OwnDense>(2)({x, x});
                       }),
                       "expected one input, received 2"));
}

// ---- Calls as in training and as in predictions ------------------------------------------------
TEST(CallsWithTraining, decide_for_all_that_they_call) {
  const Value x = Input({6});
  const Layer dropout = Dropout(0.5),
              block = Lambda([dropout](const Value&v) { return dropout(v); });
  Model always(x, block(x, {.training = true}), {.seed = 1, .device = Device::cpu()});
  EXPECT_NE(numbers(always.predict_on_batch(kX)), numbers(kX));
  Model never(x, Dense(3, {.use_bias = false})(Dropout(0.5)(x, {.training = false})),
              {.seed = 1, .device = Device::cpu()});
  never.compile({.optimizer = SGD({.learning_rate = 0.0}), .loss = "mse"});
  EXPECT_EQ(never.train_on_batch(kX, kY)["loss"], never.test_on_batch(kX, kY)["loss"]);
  Model again = Model::from_json(never.to_json(), {.device = Device::cpu()});
  again.set_weights(never.get_weights());
  EXPECT_EQ(again.to_json(), never.to_json());
  EXPECT_EQ(again.train_on_batch(kX, kY)["loss"], never.test_on_batch(kX, kY)["loss"]);
}

// ---- Lambda ------------------------------------------------------------------------------------
TEST(Lambdas, compute_with_layers_and_functions) {
  const Layer shared = Dense(6);
  const Layer residual = Lambda([shared](const Value& x) { return x + ops::relu(shared(x)); });
  Model model = two_layers(residual, Dense(3));
  EXPECT_EQ(model.weight_names()[0], "lambda/dense/kernel");
  model.compile({.optimizer = SGD({.learning_rate = 0.1}), .loss = "mse"});
  train(model);
  const Value a = Input({6}), b = Input({6});
  const Layer both = Lambda([](const std::vector<Value>& v) { return v[0] - 2.0 * v[1]; });
  Model two({a, b}, both({a, b}), {.device = Device::cpu()});
  const Numbers y = numbers(two.predict_on_batch({kX, kX}));
  for (std::size_t i = 0; i < y.size(); ++i) EXPECT_FLOAT_EQ(y[i], -numbers(kX)[i]);
}

TEST(Lambdas, are_loaded_where_their_function_is_registered) {
  register_lambda("halve", Lambda([](const Value& x) { return x * 0.5; }));
  Model named = two_layers(Lambda("halve"), Dense(3));
  Model loaded = Model::from_json(named.to_json(), {.device = Device::cpu()});
  loaded.set_weights(named.get_weights());
  EXPECT_EQ(numbers(loaded.predict_on_batch(kX)), numbers(named.predict_on_batch(kX)));
  const Model nameless = two_layers(Lambda([](const Value& x) { return x * 0.5; }), Dense(3));
  EXPECT_TRUE(contains(message_of<ValueError>([&] { Model::from_json(nameless.to_json()); }),
                       "Files keep no code"));
  EXPECT_TRUE(contains(message_of<ValueError>([] { Lambda("halv"); }), "did you mean \"halve\""));
}

TEST(Lambdas, that_forget_their_values_are_refused) {
  EXPECT_TRUE(contains(message_of<ValueError>([] {
                         Lambda([](const Value&) { return ops::full({3}, 1.0); })(Input({6}));
                       }),
                       "depends on the function's arguments"));
}

// ---- Losses and metrics ------------------------------------------------------------------------
Loss own_squares(const std::string& reduction = "sum_over_batch_size") {
  return custom_loss(
      "own_squares",
      [](const Value& y_true, const Value& y_pred) {
        return ops::mean(ops::square(y_true - y_pred), -1);
      },
      reduction);
}

TEST(CustomLosses, train_as_stokers_own_bit_by_bit) {
  for (const bool weighted : {false, true}) {
    Model own = two_layers(Dense(5), Dense(3)), stokers = two_layers(Dense(5), Dense(3));
    own.compile({.optimizer = Adam({.learning_rate = 0.01}), .loss = own_squares()});
    stokers.compile({.optimizer = Adam({.learning_rate = 0.01}), .loss = "mse"});
    const Tensor weights = weighted ? Tensor::uniform({8}, 0.0f, 1.0f, 3) : Tensor();
    for (int i = 0; i < 5; ++i) {
      EXPECT_EQ(own.train_on_batch(kX, kY, weights)["loss"],
                stokers.train_on_batch(kX, kY, weights)["loss"]);
    }
    expect_same_weights(own, stokers);
  }
}

TEST(CustomLosses, make_the_same_number_of_ops) {
  const auto nodes = [](const Loss& loss) {
    Model model = two_layers(Dense(5), Dense(3));
    model.compile({.optimizer = "adam", .loss = loss});
    const std::string dump = model.graph_dump(8);
    return std::count(dump.begin(), dump.end(), '\n');
  };
  EXPECT_EQ(nodes(own_squares()), nodes("mse"));
  const Loss entropy = custom_loss("entropy", [](const Value& y_true, const Value& y_pred) {
    return ops::categorical_crossentropy(y_true, y_pred, true);
  });
  EXPECT_EQ(nodes(entropy), nodes(CategoricalCrossentropy({.from_logits = true})));
  const Loss by_hand = custom_loss("huber_by_hand", [](const Value& y_true, const Value& y_pred) {
    const Value error = ops::abs(y_pred - y_true);
    return ops::mean(ops::where(ops::less_equal(error, 1.0), 0.5 * error * error, error - 0.5), -1);
  });
  EXPECT_EQ(nodes(by_hand), nodes("huber"));
}

TEST(CustomLosses, are_known_by_name_once_registered) {
  register_loss(own_squares());
  Model model = two_layers(Dense(5), Dense(3));
  model.compile({.optimizer = "adam", .loss = "own_squares"});
  Model loaded = Model::from_json(model.to_json(), {.device = Device::cpu()});
  loaded.set_weights(model.get_weights());
  EXPECT_EQ(loaded.test_on_batch(kX, kY)["loss"], model.test_on_batch(kX, kY)["loss"]);
  EXPECT_TRUE(contains(message_of<ValueError>([] { register_loss(own_squares()); }), "already"));
  EXPECT_TRUE(contains(message_of<ValueError>([] { register_loss("mse"); }), "Stoker's losses"));
  const Loss unknown = custom_loss("unknown", [](const Value&, const Value& y) { return y; });
  model.compile({.optimizer = "adam", .loss = unknown});
  EXPECT_TRUE(contains(message_of<ValueError>([&] { Model::from_json(model.to_json()); }),
                       "register_loss"));
  EXPECT_NO_THROW(Model::from_json(model.to_json(), {.device = Device::cpu()}, false));
}

TEST(CustomMetrics, are_means_or_have_totals) {
  class Largest : public CustomMetric {
   public:
    std::int64_t totals() const override { return 2; }
    std::vector<Value> update(const Value& y_true, const Value& y_pred,
                              const Value&) const override {
      return {ops::sum(ops::abs(y_true - y_pred)), ops::sum(ops::ones_like(y_pred))};
    }
    double result(std::span<const double> totals) const override { return totals[0] / totals[1]; }
  };
  Model model = two_layers(Dense(5), Dense(3));
  const auto error = [](const Value& y_true, const Value& y_pred) {
    return ops::mean(ops::abs(y_true - y_pred), -1);
  };
  model.compile({.optimizer = "adam",
                 .loss = "mse",
                 .metrics = {"mae", custom_metric("own_error", error),
                             custom_metric("own_totals", std::make_shared<Largest>())}});
  const Logs logs = model.evaluate(kX, kY, {.verbose = 0, .batch_size = 3});
  EXPECT_NEAR(logs["own_error"], logs["mae"], 1e-6);
  EXPECT_NEAR(logs["own_totals"], logs["mae"], 1e-6);
}

TEST(CustomLossMistakes, say_what_was_expected) {
  const auto refused = [](LossFunction f) {
    return message_of<Error>([&] {
      Model model = two_layers(Dense(5), Dense(3));
      model.compile({.optimizer = "adam", .loss = custom_loss("mine", std::move(f))});
      model.train_on_batch(kX, kY);
    });
  };
  EXPECT_TRUE(contains(refused([](const Value& y, const Value&) { return ops::mean(y, -1); }),
                       "depends on the predictions"));
  EXPECT_TRUE(contains(refused([](const Value&, const Value& y) { return ops::mean(y, 0); }),
                       "a value for each of the 8 elements"));
  EXPECT_TRUE(contains(refused([](const Value&, const Value&) { return Value(); }),
                       "received an empty Value"));
  EXPECT_TRUE(contains(refused([](const Value& y, const Value& p) { return Dense(3)(p) - y; }),
                       "neither layers nor random numbers"));
  EXPECT_TRUE(contains(message_of<ValueError>([] { custom_loss("", nullptr); }), "a name"));
}

}  // namespace
}  // namespace stoker

// Models to JSON and from it, and clones.
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <algorithm>
#include <functional>
#include <string>

#include "support/contains.h"
#include "support/message.h"

namespace stoker {
namespace {

using test::contains;
using test::message_of;

Sequential classifier(ModelOptions options = {}) {
  Sequential model({Input({8, 8, 1}), Conv2D(4, 3, {.activation = "relu"}), BatchNormalization(),
                    MaxPooling2D(), Flatten(), Dropout(0.2), Dense(3, {.name = "logits"})},
                   options);
  return model;
}

// Two inputs, a layer that is called twice, a shortcut, and two layers that were frozen.
Model branches(ModelOptions options = {}) {
  const Value a = Input({6}, {.name = "a"});
  const Value b = Input({6}, {.name = "b"});
  Layer shared = Dense(5, {.activation = "tanh", .name = "shared"});
  Layer norm = BatchNormalization();
  norm.set_trainable(false);
  const Value first = shared(a);
  const Value second = shared(b);
  const Value sum = Add()({first, second});
  const Value y = Dense(1)(Concatenate()({norm(sum), first}));
  return Model({b, a}, y, options);
}

Tensor ramp(const Shape& shape) {
  Tensor tensor(shape);
  float value = -1.0f;
  for (float& element : tensor.data<float>()) element = (value += 0.01f);
  return tensor;
}

std::vector<float> contents(const Tensor& tensor) {
  return {tensor.data<float>().begin(), tensor.data<float>().end()};
}

TEST(ModelConfig, a_model_comes_back_from_its_json) {
  Sequential model = classifier({.name = "mine", .seed = 7});
  model.compile({.optimizer = Adam({.learning_rate = 0.01}),
                 .loss = SparseCategoricalCrossentropy({.from_logits = true}),
                 .metrics = {"accuracy", SparseCategoricalAccuracy({.name = "second"})}});
  model.set_learning_rate(0.5);
  const std::string json = model.to_json(1);
  Model again = Model::from_json(json, {.seed = 7});
  EXPECT_EQ(again.to_json(1), json);
  EXPECT_EQ(again.name(), "mine");
  EXPECT_EQ(again.learning_rate(), 0.5);
  EXPECT_EQ(again.weight_names(), model.weight_names());
  // The same seed and the same names: the same beginning, and so the same training.
  const Tensor x = ramp({4, 8, 8, 1});
  const Tensor y({4}, DType::int32);
  EXPECT_EQ(contents(again.predict(x)), contents(model.predict(x)));
  EXPECT_EQ(again.train_on_batch(x, y).loss(), model.train_on_batch(x, y).loss());
  EXPECT_EQ(contents(again.predict(x)), contents(model.predict(x)));
  std::ostringstream summary, summary_again;
  model.summary(summary);
  again.summary(summary_again);
  EXPECT_EQ(summary_again.str(), summary.str());
}

TEST(ModelConfig, a_functional_model_keeps_its_connections_and_shared_layers) {
  Model model = branches({.seed = 3});
  const std::string json = model.to_json();
  Model again = Model::from_json(json, {.seed = 3});
  EXPECT_EQ(again.to_json(), json);
  EXPECT_EQ(again.weight_names(), model.weight_names());
  model.compile({.optimizer = SGD(), .loss = "mse"});
  again.compile({.optimizer = SGD(), .loss = "mse"});
  const std::vector<Tensor> x{ramp({4, 6}), Tensor({4, 6})};
  const Tensor y({4, 1});
  const FitOptions once{.verbose = 0, .batch_size = 4, .shuffle = false};
  EXPECT_EQ(again.fit(x, y, once)["loss"], model.fit(x, y, once)["loss"]);
}

TEST(ModelConfig, layers_stand_in_any_order) {
  const Model model = branches();
  Config config = model.config();
  Config own = config["config"];
  Config::List layers = own["layers"].list_items();
  std::ranges::reverse(layers);
  own.set("layers", layers);
  const Model again = Model::from_config(config.set("config", own));
  EXPECT_EQ(again.weight_names(), model.weight_names());
}

TEST(ModelConfig, trainable_is_read_and_written) {
  Sequential model({Input({4}), Dense(3, {.name = "frozen"}), Dense(2, {.name = "trained"})});
  Config config = model.config();
  EXPECT_EQ(config["config"]["layers"].at(1)["config"]["trainable"], Config(true));
  Config own = config["config"];
  Config::List layers = own["layers"].list_items();
  layers[1].set("config", Config(layers[1]["config"]).set("trainable", false));
  Model again = Model::from_config(Config(config).set("config", Config(own).set("layers", layers)));
  again.compile({.optimizer = SGD(), .loss = "mse"});
  const std::vector<Tensor> before = again.get_weights();
  again.train_on_batch(ramp({4, 4}), Tensor({4, 2}));
  EXPECT_EQ(contents(again.get_weights()[0]), contents(before[0]));
  EXPECT_NE(contents(again.get_weights()[2]), contents(before[2]));
  // Of the model: all of its layers.
  Model none =
      Model::from_config(Config(config).set("config", Config(own).set("trainable", false)));
  none.compile({.optimizer = SGD(), .loss = "mse"});
  none.train_on_batch(ramp({4, 4}), Tensor({4, 2}));
  EXPECT_EQ(contents(none.get_weights()[2]), contents(before[2]));
}

TEST(ModelConfig, dtype_policies_are_read_and_written) {
  for (const char* policy : {"float32", "mixed_bfloat16", "mixed_float16"}) {
    Sequential sequential({Input({4}), Dense(3), Dense(2, {.dtype = "float32"})},
                          {.dtype_policy = policy});
    Model again = Model::from_json(sequential.to_json());
    EXPECT_EQ(again.to_json(), sequential.to_json());
    again.compile({.optimizer = SGD(), .loss = "mse"});
    EXPECT_EQ(again.loss_scale(), std::string(policy) == "mixed_float16" ? 32768.0 : 1.0);
    Model functional = branches({.dtype_policy = policy});
    Model functional_again = Model::from_json(functional.to_json());
    functional_again.compile({.optimizer = SGD(), .loss = "mse"});
    EXPECT_EQ(functional_again.loss_scale(),
              std::string(policy) == "mixed_float16" ? 32768.0 : 1.0);
  }
}

TEST(ModelConfig, a_sequential_without_an_input_takes_the_shape_it_was_built_for) {
  const Sequential model({Input({4}), Dense(3)});
  Config own = model.config()["config"];
  Config::List layers = own["layers"].list_items();
  layers.erase(layers.begin());
  own.set("layers", layers);
  const Config built = model.config().set("config", own);
  EXPECT_EQ(Model::from_config(built).count_params(), 15);
  own.set("build_input_shape", nullptr);
  EXPECT_TRUE(contains(
      message_of<ValueError>([&] { Model::from_config(model.config().set("config", own)); }),
      "expected Input(shape) as the first layer"));
}

TEST(CloneModel, has_the_same_layers_and_weights_of_its_own) {
  Sequential model = classifier({.name = "mine", .seed = 7, .threads = 1});
  model.compile({.optimizer = "sgd", .loss = SparseCategoricalCrossentropy({.from_logits = true})});
  model.train_on_batch(ramp({4, 8, 8, 1}), Tensor({4}, DType::int32));
  Model clone = clone_model(model);
  EXPECT_EQ(clone.name(), "mine");
  EXPECT_EQ(clone.weight_names(), model.weight_names());
  EXPECT_THROW(clone.learning_rate(), ValueError);  // not compiled
  const Tensor x = ramp({2, 8, 8, 1});
  EXPECT_NE(contents(clone.predict(x)), contents(model.predict(x)));
  clone.set_weights(model.get_weights());
  EXPECT_EQ(contents(clone.predict(x)), contents(model.predict(x)));
}

// ---- Mistakes ----
using Change = std::function<void(Config& layer)>;

// The message for a model in whose JSON a layer was changed.
template <class E = ValueError>
std::string message_after(const Model& model, std::size_t layer, const Change& change) {
  Config config = model.config();
  Config own = config["config"];
  Config::List layers = own["layers"].list_items();
  change(layers.at(layer));
  own.set("layers", layers);
  config.set("config", own);
  return message_of<E>([&] { Model::from_json(config.to_json()); });
}

Change field(const char* name, Config value) {
  return [=](Config& layer) { layer.set("config", Config(layer["config"]).set(name, value)); };
}

TEST(ModelConfig, mistakes_are_named_with_their_place) {
  const Sequential model = classifier();
  EXPECT_TRUE(contains(
      message_after(model, 1, [](Config& layer) { layer.set("class_name", "Conv2d"); }),
      "Model::from_config: layers[1] (Conv2d \"conv2d\"): layer_from_config: there is no layer "
      "class \"Conv2d\"; did you mean \"Conv2D\"?"));
  EXPECT_TRUE(
      contains(message_after(model, 6, field("unit", 3)),
               "layers[6] (Dense \"logits\"): Dense: there is no key \"unit\"; did you mean "
               "\"units\"?"));
  EXPECT_TRUE(contains(message_after(model, 6, field("units", -1)),
                       "layers[6] (Dense \"logits\"): Dense \"logits\": expected units"));
  EXPECT_TRUE(contains(message_after(model, 6, field("name", "conv2d")),
                       "layers[6] (Dense \"conv2d\"): expected a name of its own, received that of "
                       "layers[1] (Conv2D \"conv2d\")"));
  EXPECT_TRUE(contains(message_after<ShapeError>(model, 1, field("kernel_size", 9)),
                       "kernel (9, 9) does not fit input (None, 8, 8, 1)"));
  EXPECT_TRUE(contains(message_after<DTypeError>(model, 0, field("dtype", "string")),
                       "Input: expected dtype float32, int32 or uint8, received \"string\""));
  EXPECT_TRUE(contains(message_after(model, 1, field("dtype", "mixed_float17")),
                       "there is no dtype policy \"mixed_float17\""));
  EXPECT_TRUE(contains(message_after(model, 2, [](Config& layer) { layer.set("confg", 1); }),
                       "there is no key \"confg\"; did you mean \"config\"?"));
  EXPECT_TRUE(contains(message_after(model, 2, [](Config& layer) { layer = 5; }),
                       "layers[2]: expected a map with class_name and config, received 5"));
  EXPECT_TRUE(contains(message_of<ValueError>([] { Model::from_json("{"); }),
                       "Model::from_json: JSON: line 1, column"));
  EXPECT_TRUE(contains(message_of<ValueError>([] { Model::from_json("{}"); }),
                       "Model::from_config: expected the key \"class_name\""));
  EXPECT_TRUE(contains(
      message_of<ValueError>([] { Model::from_json(R"({"class_name": "Dense", "config": {}})"); }),
      "expected a Sequential or a Functional model, received a Dense"));
}

TEST(ModelConfig, mistakes_in_connections_are_named) {
  const Model model = branches();
  const auto number_of = [&](const std::string& name) {
    const Config::List layers = model.config()["config"]["layers"].list_items();
    return static_cast<std::size_t>(
        std::ranges::find_if(layers,
                             [&](const Config& one) { return one["name"].string() == name; }) -
        layers.begin());
  };
  const auto from = [](const char* layer, int node) {
    const Config tensor =
        Config::map({{"class_name", "__keras_tensor__"},
                     {"config", Config::map({{"keras_history", Config::list({layer, node, 0})}})}});
    return [=](Config& one) {
      one.set("inbound_nodes", Config::list({Config::map({{"args", Config::list({tensor})},
                                                          {"kwargs", Config::map()}})}));
    };
  };
  const std::size_t norm = number_of("batch_normalization");
  EXPECT_TRUE(contains(message_after(model, norm, from("ad", 0)), "layers["));
  EXPECT_TRUE(contains(message_after(model, norm, from("share", 0)),
                       "inbound_nodes[0]: expected the name of a layer of the model, received "
                       "\"share\"; did you mean \"shared\"?"));
  // A cycle, and a call that is never made.
  EXPECT_TRUE(contains(message_after(model, norm, from("concatenate", 0)),
                       "expected inputs that are made before it, received call 0 of "));
  EXPECT_TRUE(contains(message_after(model, norm, from("shared", 2)),
                       "expected inputs that are made before it, received call 2 of \"shared\""));
}

// Keras writes it into each call of a Resizing, where it changes nothing. Of other layers it is
// kept.
TEST(ModelConfig, reads_whether_a_call_trains) {
  const Value image = Input({4, 4, 1});
  const Model model(image, Flatten()(Resizing(2, 2)(image)));
  std::string json = model.to_json();
  const auto with_training = [&](std::size_t from, const std::string& value = "true") {
    const std::string none = R"("kwargs": {})";
    const std::size_t at = json.find(none, from);
    return json.substr(0, at) + R"("kwargs": {"training": )" + value + "}" +
           json.substr(at + none.size());
  };
  const std::string resizing = with_training(json.find("Resizing"));
  EXPECT_EQ(Model::from_json(resizing).to_json(), json);
  const std::string flat = with_training(json.find("Flatten"));
  EXPECT_EQ(Model::from_json(flat).to_json(), flat);
  EXPECT_THROW(Model::from_json(with_training(json.find("Flatten"), "3")), ValueError);
}

}  // namespace
}  // namespace stoker

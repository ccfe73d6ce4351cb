// What all layers have: values, which the functional API passes along, handles to layers, activation
// functions, and construction from a configuration.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "stoker/shape.h"

namespace stoker {

class Config;
class Model;

namespace layers {
class LayerBase;
struct ValueNode;
}  // namespace layers

// An activation function by Keras's name: "relu", "leaky_relu", "relu6", "elu", "selu", "celu",
// "gelu", "sigmoid", "tanh", "softmax", "log_softmax", "softplus", "softsign", "silu" ("swish"),
// "mish", "exponential", "hard_sigmoid", "hard_silu" ("hard_swish"), "hard_tanh", "hard_shrink",
// "soft_shrink", "tanh_shrink", "squareplus", "sparse_plus", "sparse_sigmoid", "sparsemax",
// "log_sigmoid", "threshold", "glu", "linear". Parameters have Keras's defaults unless given.
// Throws ValueError for an unknown name.
class ActivationFunction {
 public:
  ActivationFunction() = default;  // linear
  ActivationFunction(const char* name) : ActivationFunction(std::string(name)) {}
  ActivationFunction(std::string name);
  ActivationFunction(std::string name, std::initializer_list<double> parameters);
  ActivationFunction(std::string name, std::vector<double> parameters);

  const std::string& name() const { return name_; }
  // The parameter with that position, or `otherwise` when it was not given.
  double parameter(std::size_t position, double otherwise) const {
    return position < parameters_.size() ? parameters_[position] : otherwise;
  }
  bool is_linear() const { return name_ == "linear"; }

  // Its name, as Keras writes it; with parameters, which Keras has no form for, a map of our own.
  Config config() const;

 private:
  std::string name_ = "linear";
  std::vector<double> parameters_;
};

// From what config() gives, or null: linear. Throws ValueError, with the nearest name, for a name
// that is none.
ActivationFunction activation_from_config(const Config& config);

// An output of a layer, or a model's input: what the functional API passes along.
//   Value x = Input({28, 28, 1});
//   Value y = Dense(10)(Flatten()(x));
//   Model model(x, y);
class Value {
 public:
  Value() = default;
  // (None, 28, 28, 1)
  const Shape& shape() const;
  // Whether a mask travels beside it, which says for each step whether it counts.
  bool has_mask() const;
  const std::shared_ptr<const layers::ValueNode>& node() const { return node_; }
  explicit Value(std::shared_ptr<const layers::ValueNode> node) : node_(std::move(node)) {}

 private:
  std::shared_ptr<const layers::ValueNode> node_;
};

// A handle to a layer; copies share it. Calling it on a value checks shapes at once and throws
// ShapeError, naming the layer, when they do not fit. Weights belong to the layer: models that it is
// part of train and use the same ones.
class Layer {
 public:
  explicit Layer(std::shared_ptr<layers::LayerBase> base) : base_(std::move(base)) {}
  // An input stands first in a Sequential.
  Layer(const Value& input);
  // A model as a layer; the same one each time.
  Layer(const Model& model);

  // The layer's one output. Throws ShapeError for a layer of several.
  Value operator()(const Value& x) const;
  Value operator()(const std::vector<Value>& inputs) const;
  // All outputs of a layer that may have several.
  std::vector<Value> call(const std::vector<Value>& inputs) const;

  const std::string& name() const;
  bool trainable() const;
  // Frozen weights keep their values; takes effect at the next compile() of each model with this
  // layer. The same for all layers that it is made of.
  void set_trainable(bool trainable);

  const std::string& class_name() const;  // "Dense"
  // All that it was made with, as Keras writes it: {"class_name": "Dense", "config": {...}, ...}.
  // Its name is null until a model or its maker gave it one, and its dtype where it is the model's.
  Config config() const;

  const std::shared_ptr<layers::LayerBase>& base() const { return base_; }

 private:
  std::shared_ptr<layers::LayerBase> base_;
};
// A layer from what Layer::config() or Keras's serialize_keras_object() says of one; or from its
// class and what Keras's get_config() says. What is not said has its default. Throws ValueError for
// a class or a key that there is none of, naming the nearest, for a key that is missing, and for a
// value that is none, each with its place.
Layer layer_from_config(const Config& config);
Layer layer_from_config(const std::string& class_name, const Config& config);

// What every layer has, and all that some have. `dtype` is the dtype policy: "float32",
// "mixed_bfloat16" or "mixed_float16"; empty: the model's (ModelOptions::dtype_policy). Throws
// ValueError for another name.
struct NameOptions {
  std::string name{};
  std::string dtype{};
};

}  // namespace stoker

// This header has what all layers share: the values that the functional API passes along, handles
// to layers, activation functions, and construction from a configuration.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "stoker/dtype.h"
#include "stoker/shape.h"

namespace stoker {

class Config;
class Model;

namespace layers {
class LayerBase;
struct ValueAccess;
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
  ActivationFunction(std::nullptr_t) {}
  ActivationFunction(const char* name);
  ActivationFunction(std::string name);
  ActivationFunction(std::string name, std::initializer_list<double> parameters);
  ActivationFunction(std::string name, std::vector<double> parameters);

  const std::string& name() const { return name_; }
  // The parameter at that position, or `otherwise` when it was not given.
  double parameter(std::size_t position, double otherwise) const {
    return position < parameters_.size() ? parameters_[position] : otherwise;
  }
  bool is_linear() const { return name_ == "linear"; }

  // Returns the function's name, as Keras writes it, or a map of our own for a function with
  // parameters, for which Keras has no form.
  Config config() const;

 private:
  std::string name_ = "linear";
  std::vector<double> parameters_;
};

// Makes a function from the result of config(); null stands for linear. Throws ValueError, with the
// nearest name, for an unknown name.
ActivationFunction activation_from_config(const Config& config);

// A value that layers and the functions of stoker/ops.h take and give. There are two kinds. One is
// an output of a layer, or an input of a model, which the functional API passes along:
//   Value x = Input({28, 28, 1});
//   Value y = Dense(10)(Flatten()(x));
//   Model model(x, y);
// The other is a tensor of a step that is being made, which a layer, a loss or a metric of the
// user's own gets (stoker/custom.h). It ends with the call that got it: later uses throw
// ValueError.
class Value {
 public:
  Value() = default;
  // For example (None, 28, 28, 1). The batch of a tensor of a step is known but for the first call,
  // which checks shapes.
  const Shape& shape() const;
  DType dtype() const;
  // Whether the value has a mask, which says for each step whether it counts.
  bool has_mask() const;
  const std::shared_ptr<const layers::ValueNode>& node() const { return node_; }
  explicit Value(std::shared_ptr<const layers::ValueNode> node) : node_(std::move(node)) {}
  explicit operator bool() const { return node_ != nullptr || id_ >= 0; }

 private:
  friend struct layers::ValueAccess;
  std::shared_ptr<const layers::ValueNode> node_;
  // Of a tensor of a step: the step's serial number, the tensor, and its mask where it has one.
  std::uint64_t step_ = 0;
  std::int32_t id_ = -1;
  std::int32_t mask_ = -1;
};

// What a call passes to a layer beside its inputs, by Keras's names. All layers take `training`,
// only those of attention the others, and ReversibleEmbedding `reverse`. Others throw ValueError
// for one that is set.
struct CallOptions {
  // Whether the layer, and all that it calls, computes as in training (dropout, statistics of
  // batches), whatever the model does: false for a teacher, true for Monte-Carlo dropout.
  std::optional<bool> training{};
  // Goes from vectors back to a number for each id.
  bool reverse = false;
  // No query sees a key that lies behind its own place.
  bool use_causal_mask = false;
  // A second output has the weights that each query gives to the keys.
  bool return_attention_scores = false;
  // Which keys each query sees: (batch, queries, keys) or (batch, heads, queries, keys), of any
  // type, where 0 hides a key. Extents of 1 stand for all.
  Value attention_mask{};
  // These take the place of the inputs' own masks: (batch, steps), where 0 hides a step.
  Value query_mask{};
  Value value_mask{};
  Value key_mask{};
};

// A handle to a layer, which its copies share. Calling it on a value checks shapes at once and
// throws ShapeError, naming the layer, when they do not fit. Weights belong to the layer: all
// models that contain it train and use the same ones.
class Layer {
 public:
  explicit Layer(std::shared_ptr<layers::LayerBase> base) : base_(std::move(base)) {}
  // Makes the input layer that starts a Sequential.
  Layer(const Value& input);
  // Makes a layer of a model. It is the same layer each time.
  Layer(const Model& model);

  // Returns the layer's one output. Throws ShapeError for a layer with several outputs.
  Value operator()(const Value& x, const CallOptions& options = {}) const;
  Value operator()(const std::vector<Value>& inputs, const CallOptions& options = {}) const;
  // Returns all outputs of a layer that may have several.
  std::vector<Value> call(const std::vector<Value>& inputs, const CallOptions& options = {}) const;

  const std::string& name() const;
  bool trainable() const;
  // Frozen weights keep their values. The flag takes effect at the next compile() of each model
  // with this layer, and is set for all parts of the layer too.
  void set_trainable(bool trainable);

  const std::string& class_name() const;  // "Dense"
  // Returns all arguments of the layer, as Keras writes them: {"class_name": "Dense", "config":
  // {...}, ...}. The name is null unless a model or the layer's maker has set it, and the dtype is
  // null where it is the model's.
  Config config() const;

  const std::shared_ptr<layers::LayerBase>& base() const { return base_; }

 private:
  std::shared_ptr<layers::LayerBase> base_;
};
// Makes a layer from the result of Layer::config() or of Keras's serialize_keras_object(), or from
// its class and the result of Keras's get_config(). Missing fields have their defaults. Throws
// ValueError, with the place, for an unknown class or key, naming the nearest, for a required key
// that is missing, and for a wrong value. Models, which are layers too, are Model::from_config()'s.
Layer layer_from_config(const Config& config);
Layer layer_from_config(const std::string& class_name, const Config& config);

// The options that every layer has; some layers have no others. `dtype` is the dtype policy:
// "float32", "mixed_bfloat16" or "mixed_float16". An empty one means the model's
// (ModelOptions::dtype_policy). Throws ValueError for another name.
struct NameOptions {
  std::string name{};
  std::string dtype{};
};

}  // namespace stoker

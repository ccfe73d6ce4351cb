// Layers, with Keras 3's names, argument order and defaults. Images are (batch, height, width,
// channels). A layer describes: it holds configuration; a model gives it weights and runs it.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "stoker/initializers.h"
#include "stoker/shape.h"

namespace stoker {

class Config;

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
  const std::shared_ptr<const layers::ValueNode>& node() const { return node_; }
  explicit Value(std::shared_ptr<const layers::ValueNode> node) : node_(std::move(node)) {}

 private:
  std::shared_ptr<const layers::ValueNode> node_;
};

// A handle to a layer; copies share it. Calling it on a value checks shapes at once and throws
// ShapeError, naming the layer, when they do not fit.
class Layer {
 public:
  explicit Layer(std::shared_ptr<layers::LayerBase> base) : base_(std::move(base)) {}
  // An input stands first in a Sequential.
  Layer(const Value& input);

  Value operator()(const Value& x) const;
  Value operator()(const std::vector<Value>& inputs) const;

  const std::string& name() const;
  bool trainable() const;
  // Frozen weights keep their values; takes effect at the next compile().
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

// One number for both directions, or height and width.
struct Size2D {
  std::int64_t height = 1;
  std::int64_t width = 1;
  Size2D(int both) : height(both), width(both) {}
  Size2D(std::int64_t both) : height(both), width(both) {}
  Size2D(std::int64_t height, std::int64_t width) : height(height), width(width) {}
  friend bool operator==(const Size2D&, const Size2D&) = default;
};

// `shape` is without the batch extent.
struct InputOptions {
  std::string dtype = "float32";  // or "int32", "uint8": what the batches hold
  std::string name{};
};
Value Input(Shape shape, InputOptions options = {});

// Each layer's `dtype` is its dtype policy: "float32", "mixed_bfloat16" or "mixed_float16"; empty:
// the model's (ModelOptions::dtype_policy). Throws ValueError for another name.

// y = activation(x kernel + bias); x (..., in) -> (..., units).
struct DenseOptions {
  ActivationFunction activation{};
  bool use_bias = true;
  Initializer kernel_initializer = "glorot_uniform";
  Initializer bias_initializer = "zeros";
  Regularizer kernel_regularizer{};
  Regularizer bias_regularizer{};
  Regularizer activity_regularizer{};
  std::string name{};
  std::string dtype{};
};
Layer Dense(std::int64_t units, DenseOptions options = {});

// A row of the table (input_dim, output_dim) for each id: x (...) -> (..., output_dim). Ids are
// whole numbers in [0, input_dim), int32, uint8 or float32 (truncated); another one ends the step
// with a DataError that names it, before any weight has changed. Masks (Keras's mask_zero) are not
// offered.
struct EmbeddingOptions {
  Initializer embeddings_initializer = "uniform";
  Regularizer embeddings_regularizer{};
  Regularizer activity_regularizer{};
  std::string name{};
  std::string dtype{};
};
Layer Embedding(std::int64_t input_dim, std::int64_t output_dim, EmbeddingOptions options = {});

// padding: "valid" or "same" (Keras's: more at the end when it is odd).
struct Conv2DOptions {
  Size2D strides = 1;
  std::string padding = "valid";
  Size2D dilation_rate = 1;
  std::int64_t groups = 1;
  ActivationFunction activation{};
  bool use_bias = true;
  Initializer kernel_initializer = "glorot_uniform";
  Initializer bias_initializer = "zeros";
  Regularizer kernel_regularizer{};
  Regularizer bias_regularizer{};
  Regularizer activity_regularizer{};
  std::string name{};
  std::string dtype{};
};
Layer Conv2D(std::int64_t filters, Size2D kernel_size, Conv2DOptions options = {});

struct PoolingOptions {
  std::optional<Size2D> strides{};  // the pool size when absent
  std::string padding = "valid";
  std::string name{};
  std::string dtype{};
};
Layer MaxPooling2D(Size2D pool_size = 2, PoolingOptions options = {});
Layer AveragePooling2D(Size2D pool_size = 2, PoolingOptions options = {});

struct GlobalPoolingOptions {
  bool keepdims = false;
  std::string name{};
  std::string dtype{};
};
Layer GlobalAveragePooling2D(GlobalPoolingOptions options = {});

struct NameOptions {
  std::string name{};
  std::string dtype{};
};
Layer Flatten(NameOptions options = {});
// `target_shape` is without the batch; one extent may be -1.
Layer Reshape(Shape target_shape, NameOptions options = {});
Layer Activation(ActivationFunction activation, NameOptions options = {});

// x between the threshold and max_value; negative_slope (x - threshold) below the threshold.
struct ReLUOptions {
  std::optional<double> max_value{};
  double negative_slope = 0.0;
  double threshold = 0.0;
  std::string name{};
  std::string dtype{};
};
Layer ReLU(ReLUOptions options = {});

// Layers of two or more values, which are called with a list: Add()({a, b}). Those that compute
// element by element broadcast; where ranks differ, extents of 1 are put behind the batch. Subtract
// takes exactly two. What comes out is floating.
Layer Add(NameOptions options = {});
Layer Subtract(NameOptions options = {});
Layer Multiply(NameOptions options = {});
Layer Average(NameOptions options = {});
Layer Maximum(NameOptions options = {});
Layer Minimum(NameOptions options = {});
// One behind the other along `axis`, which counts the batch as 0 and is not the batch; all other
// extents are equal.
Layer Concatenate(std::int64_t axis = -1, NameOptions options = {});

// Sets a share `rate` of the inputs to zero while training and scales the rest by 1 / (1 - rate).
struct DropoutOptions {
  // Axes where it is 1 share their mask; empty: none. With the batch extent (-1 keeps it).
  Shape noise_shape{};
  std::optional<std::uint64_t> seed{};
  std::string name{};
  std::string dtype{};
};
Layer Dropout(double rate, DropoutOptions options = {});

struct BatchNormalizationOptions {
  std::int64_t axis = -1;
  double momentum = 0.99;
  double epsilon = 1e-3;
  bool center = true;
  bool scale = true;
  Initializer beta_initializer = "zeros";
  Initializer gamma_initializer = "ones";
  Initializer moving_mean_initializer = "zeros";
  Initializer moving_variance_initializer = "ones";
  Regularizer beta_regularizer{};
  Regularizer gamma_regularizer{};
  std::string name{};
  std::string dtype{};
};
Layer BatchNormalization(BatchNormalizationOptions options = {});

// y = x * scale + offset.
struct RescalingOptions {
  double offset = 0.0;
  std::string name{};
  std::string dtype{};
};
Layer Rescaling(double scale, RescalingOptions options = {});

}  // namespace stoker

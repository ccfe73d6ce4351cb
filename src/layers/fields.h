// The parts from which layers are described: types of their fields, the fields that all layers
// have, and the base of layers that keep their arguments.
#pragma once

#include <initializer_list>
#include <string>

#include "core/fields.h"
#include "initializers/fields.h"
#include "layers/layer.h"

namespace stoker {

template <>
struct FieldType<ActivationFunction> {
  static ActivationFunction read(const Config& config) { return activation_from_config(config); }
  static Config write(const ActivationFunction& value) { return value.config(); }
};
// A size is written as two numbers. A single number, which stands for both, can be read too.
template <>
struct FieldType<Size2D> {
  static Size2D read(const Config& config);
  static Config write(const Size2D& value);
};

template <>
struct FieldType<Size3D> {
  static Size3D read(const Config& config);
  static Config write(const Size3D& value);
};
// The sides of each axis are written as two numbers. A single number, for both sides of an axis or
// for all axes, can be read too.
template <>
struct FieldType<Sides> {
  static Sides read(const Config& config);
  static Config write(const Sides& value);
};
template <>
struct FieldType<Sides2D> {
  static Sides2D read(const Config& config);
  static Config write(const Sides2D& value);
};
template <>
struct FieldType<Sides3D> {
  static Sides3D read(const Config& config);
  static Config write(const Sides3D& value);
};

namespace layers {

// A layer's name, which is null where its model names the layer.
struct LayerName {
  std::string text;
};
// The name of a dtype policy, which is null for the model's policy.
struct PolicyName {
  std::string text;
};

}  // namespace layers

template <>
struct FieldType<layers::LayerName> {
  static layers::LayerName read(const Config& config);
  static Config write(const layers::LayerName& value);
};
// A policy is read from its name, or from Keras's DTypePolicy object.
template <>
struct FieldType<layers::PolicyName> {
  static layers::PolicyName read(const Config& config);
  static Config write(const layers::PolicyName& value);
};

namespace layers {

// Describes name, trainable and dtype, which every layer but Input has. Whether a layer trains is a
// property and not an argument: layer_from_config() reads it, and Layer::config() writes it.
void describe_common(Fields& fields, std::string& name, std::string& dtype_policy);
template <class Options>
void describe_common(Fields& fields, Options& options) {
  describe_common(fields, options.name, options.dtype);
}

// Describes name and dtype alone, for classes whose constructor takes no `trainable` in Keras.
void describe_without_trainable(Fields& fields, std::string& name, std::string& dtype_policy);

// Describes the fields of layers with a kernel, a bias and an activation behind them.
template <class Options>
void describe_kernel_and_bias(Fields& fields, Options& options) {
  fields("activation", options.activation);
  fields("use_bias", options.use_bias);
  fields("kernel_initializer", options.kernel_initializer);
  fields("bias_initializer", options.bias_initializer);
  fields("kernel_regularizer", options.kernel_regularizer);
  fields("bias_regularizer", options.bias_regularizer);
  fields("activity_regularizer", options.activity_regularizer);
  fields("kernel_constraint", options.kernel_constraint);
  fields("bias_constraint", options.bias_constraint);
}

// A layer that keeps the Arguments that it was made with, whose fields describe(Fields&,
// Arguments&) names. Arguments has a member `options` with a name and a dtype.
template <class Arguments, class Base = UnaryLayer>
class DescribedLayer : public Base {
 public:
  DescribedLayer(std::string class_name, Arguments arguments)
      : Base(std::move(class_name), arguments.options.name, arguments.options.dtype),
        arguments_(std::move(arguments)) {}

  void write_fields(Fields& fields) const final {
    Arguments copy = arguments_;
    copy.options.name = this->name();  // A model may have given the layer a name after it was made.
    describe(fields, copy);
  }

 protected:
  const Arguments arguments_;
};

}  // namespace layers
}  // namespace stoker

#include "layers/fields.h"

#include <cmath>
#include <limits>
#include <vector>

#include "layers/dtype_policy.h"

namespace stoker {

// ---- Activation functions ----------------------------------------------------------------------
// Keras has no parameters in the configuration of a function, only its name, so a function with
// parameters is an object of our own.
namespace {

constexpr const char* kActivationClass = "ActivationFunction";

struct ActivationFields {
  std::string name = "linear";
  Config parameters = Config::list();
};

void describe(Fields& fields, ActivationFields& activation) {
  fields.required("name", activation.name);
  fields("parameters", activation.parameters);
}

}  // namespace

Config ActivationFunction::config() const {
  if (parameters_.empty()) return name_;
  ActivationFields own{name_};
  // An infinite parameter, relu's max_value, is written as null because JSON has no infinity.
  for (const double value : parameters_) {
    own.parameters.append(std::isinf(value) ? Config() : Config(value));
  }
  Fields fields = Fields::writing();
  describe(fields, own);
  return object_config("stoker", kActivationClass, fields.config());
}

ActivationFunction activation_from_config(const Config& config) {
  if (config.is_null()) return {};
  if (config.is_string()) return ActivationFunction(config.string());
  const ObjectView object = object_of(config);
  // Keras writes an object of this form for an activation that was given as a Python function.
  if (object.class_name == "function" && object.config.is_string()) {
    return ActivationFunction(object.config.string());
  }
  if (object.class_name != kActivationClass) {
    throw ValueError(
        format("expected an activation function by its name, received ", config.described()));
  }
  const auto given = Fields::reading(object.config, kActivationClass).all<ActivationFields>();
  std::vector<double> parameters;
  for (const Config& value : given.parameters.list_items()) {
    parameters.push_back(value.is_null() ? std::numeric_limits<double>::infinity()
                                         : value.number());
  }
  return {given.name, std::move(parameters)};
}

// ---- Sizes -------------------------------------------------------------------------------------
Size2D FieldType<Size2D>::read(const Config& config) {
  if (config.is_number()) return Size2D(config.integer());
  if (!config.is_list() || config.size() != 2) {
    throw ValueError(format("expected a height and a width, or one number for both, received ",
                            config.described()));
  }
  return {config.at(0).integer(), config.at(1).integer()};
}

Config FieldType<Size2D>::write(const Size2D& value) {
  return Config::list({value.height, value.width});
}

Size3D FieldType<Size3D>::read(const Config& config) {
  if (config.is_number()) return Size3D(config.integer());
  if (!config.is_list() || config.size() != 3) {
    throw ValueError(format("expected a depth, a height and a width, or one number for all, ",
                            "received ", config.described()));
  }
  return {config.at(0).integer(), config.at(1).integer(), config.at(2).integer()};
}

Config FieldType<Size3D>::write(const Size3D& value) {
  return Config::list({value.depth, value.height, value.width});
}

Sides FieldType<Sides>::read(const Config& config) {
  if (config.is_number()) return Sides(config.integer());
  if (!config.is_list() || config.size() != 2) {
    throw ValueError(format("expected one number for both sides of an axis, or two, received ",
                            config.described()));
  }
  return {config.at(0).integer(), config.at(1).integer()};
}

Config FieldType<Sides>::write(const Sides& value) {
  return Config::list({value.before, value.after});
}

namespace {

// Reads the sides of so many axes.
std::vector<Sides> read_sides(const Config& config, std::size_t axes) {
  if (config.is_number()) return std::vector<Sides>(axes, Sides(config.integer()));
  if (!config.is_list() || config.size() != axes) {
    throw ValueError(format("expected one number for all sides, or the sides of ", axes,
                            " axes, received ", config.described()));
  }
  std::vector<Sides> sides;
  for (const Config& axis : config.list_items()) sides.push_back(FieldType<Sides>::read(axis));
  return sides;
}

}  // namespace

Sides2D FieldType<Sides2D>::read(const Config& config) {
  const std::vector<Sides> sides = read_sides(config, 2);
  return {sides[0], sides[1]};
}

Config FieldType<Sides2D>::write(const Sides2D& value) {
  return FieldType<std::vector<Sides>>::write({value.height, value.width});
}

Sides3D FieldType<Sides3D>::read(const Config& config) {
  const std::vector<Sides> sides = read_sides(config, 3);
  return {sides[0], sides[1], sides[2]};
}

Config FieldType<Sides3D>::write(const Sides3D& value) {
  return FieldType<std::vector<Sides>>::write({value.depth, value.height, value.width});
}

// ---- What all layers have ----------------------------------------------------------------------
namespace {

struct PolicyOptions {
  std::string name;
};

void describe(Fields& fields, PolicyOptions& policy) {
  fields.required("name", policy.name);
  fields.never({"source_name"});
}

}  // namespace

layers::LayerName FieldType<layers::LayerName>::read(const Config& config) {
  return {config.is_null() ? "" : config.string()};
}
Config FieldType<layers::LayerName>::write(const layers::LayerName& value) {
  return value.text.empty() ? Config() : Config(value.text);
}

layers::PolicyName FieldType<layers::PolicyName>::read(const Config& config) {
  if (config.is_null()) return {};
  if (config.is_string()) return {config.string()};
  const ObjectView object = object_of(config);
  if (object.class_name != "DTypePolicy") {
    throw ValueError(format("expected a DTypePolicy, received a ", object.class_name));
  }
  return {Fields::reading(object.config, "DTypePolicy").all<PolicyOptions>().name};
}
Config FieldType<layers::PolicyName>::write(const layers::PolicyName& value) {
  if (value.text.empty()) return {};
  PolicyOptions policy{value.text};
  Fields fields = Fields::writing();
  describe(fields, policy);
  return object_config("keras", "DTypePolicy", fields.config());
}

void layers::describe_common(Fields& fields, std::string& name, std::string& dtype_policy) {
  LayerName own_name{name};
  bool trainable = true;
  PolicyName policy{dtype_policy};
  fields("name", own_name);
  fields("trainable", trainable);
  fields("dtype", policy);
  name = std::move(own_name.text);
  dtype_policy = std::move(policy.text);
}

void layers::describe_without_trainable(Fields& fields, std::string& name,
                                        std::string& dtype_policy) {
  LayerName own_name{name};
  PolicyName policy{dtype_policy};
  fields("name", own_name);
  fields("dtype", policy);
  fields.ignored({"trainable"});
  name = std::move(own_name.text);
  dtype_policy = std::move(policy.text);
}

}  // namespace stoker

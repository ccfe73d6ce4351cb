// The field types of initializers, regularizers and constraints, for the classes that have such
// fields.
#pragma once

#include "core/fields.h"
#include "stoker/constraints.h"
#include "stoker/initializers.h"

namespace stoker {

template <>
struct FieldType<Initializer> {
  static Initializer read(const Config& config) { return initializer_from_config(config); }
  static Config write(const Initializer& value) { return value.config(); }
};
template <>
struct FieldType<Regularizer> {
  static Regularizer read(const Config& config) { return regularizer_from_config(config); }
  static Config write(const Regularizer& value) { return value.config(); }
};
template <>
struct FieldType<Constraint> {
  static Constraint read(const Config& config) { return constraint_from_config(config); }
  static Config write(const Constraint& value) { return value.config(); }
};
// One axis is written as a number, and several as a list.
template <>
struct FieldType<Axes> {
  static Axes read(const Config& config);
  static Config write(const Axes& value);
};

}  // namespace stoker

// The field types of initializers and regularizers, for the classes that have such fields.
#pragma once

#include "core/fields.h"
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

}  // namespace stoker

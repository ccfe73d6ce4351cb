// The field of a Salt, which Keras writes as two numbers. One number stands for both.
#pragma once

#include <vector>

#include "core/fields.h"
#include "stoker/salt.h"

namespace stoker {

template <>
struct FieldType<Salt> {
  static Salt read(const Config& config) {
    if (!config.is_list()) return {config.integer()};
    if (config.size() != 2) {
      throw ValueError(format("expected one or two whole numbers, received ", config.described()));
    }
    return {config[0].integer(), config[1].integer()};
  }
  static Config write(const Salt& salt) {
    return Config::list(
        {static_cast<std::int64_t>(salt.first), static_cast<std::int64_t>(salt.second)});
  }
};

}  // namespace stoker

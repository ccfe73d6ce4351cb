// Constraints on weights, with Keras 3's names, defaults and formulas.
#pragma once

#include <cstddef>
#include <cstdint>

#include "stoker/axes.h"

namespace stoker {

class Config;

// A constraint says where a weight may be: after each update of the optimizer the weight is moved
// there, as part of the step. Strings work wherever a Constraint is taken: "max_norm", "non_neg",
// "unit_norm", "min_max_norm" (and Keras's class names). An unknown name throws ValueError.
//
// A norm is that of the elements along some axes of the weight. Along axis 0 of a Dense layer's
// kernel (in, units) it is that of a unit's incoming weights; for a filter of Conv2D these axes are
// {0, 1, 2}. A layer throws ShapeError where its weight has no such axis.
class Constraint {
 public:
  enum class Kind : std::uint8_t { none, max_norm, non_neg, unit_norm, min_max_norm };

  Constraint() = default;
  Constraint(std::nullptr_t) {}
  Constraint(const char* name);

  Kind kind = Kind::none;
  double min_value = 0.0;  // min_max_norm
  double max_value = 0.0;  // max_norm and min_max_norm
  double rate = 1.0;       // min_max_norm
  Axes axis = 0;           // All but non_neg.
  explicit operator bool() const { return kind != Kind::none; }

  // Returns {"class_name": "MaxNorm", "config": {"max_value": 2.0, "axis": 0}, ...}, as Keras
  // writes it; null if there is no constraint.
  Config config() const;
};
// Makes a constraint from such a map, from a name, or from null, which means no constraint. Throws
// ValueError, with the place and the nearest known name, for a class, a key or a value that is not
// known.
Constraint constraint_from_config(const Config& config);

struct MinMaxNormOptions {
  double min_value = 0.0;
  double max_value = 1.0;
  double rate = 1.0;
  Axes axis = 0;
};

// Scales vectors that are longer than max_value down to it.
Constraint MaxNorm(double max_value = 2.0, Axes axis = 0);
// Sets negative elements to 0.
Constraint NonNeg();
// Scales vectors to length 1.
Constraint UnitNorm(Axes axis = 0);
// Scales vectors to the length rate * clip(norm, min_value, max_value) + (1 - rate) * norm.
Constraint MinMaxNorm(MinMaxNormOptions options = {});

}  // namespace stoker

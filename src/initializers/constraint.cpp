// Constraints by name, the functions that make them, and what they make of a weight.
#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "core/check.h"
#include "initializers/constrain.h"
#include "initializers/fields.h"
#include "stoker/error.h"

namespace stoker {

using graph::Expr;
using graph::Value;

void describe(Fields& fields, MinMaxNormOptions& options) {
  fields("min_value", options.min_value);
  fields("max_value", options.max_value);
  fields("rate", options.rate);
  fields("axis", options.axis);
}

namespace {

// ---- The fields of each class ------------------------------------------------------------------
struct MaxNormOptions {
  double max_value = 2.0;
  Axes axis = 0;
};
struct NonNegOptions {};
struct UnitNormOptions {
  Axes axis = 0;
};
void describe(Fields& fields, MaxNormOptions& options) {
  fields("max_value", options.max_value);
  fields("axis", options.axis);
}
void describe(Fields&, NonNegOptions&) {}
void describe(Fields& fields, UnitNormOptions& options) { fields("axis", options.axis); }

Constraint make(const MaxNormOptions& options) { return MaxNorm(options.max_value, options.axis); }
Constraint make(const NonNegOptions&) { return NonNeg(); }
Constraint make(const UnitNormOptions& options) { return UnitNorm(options.axis); }
Constraint make(const MinMaxNormOptions& options) { return MinMaxNorm(options); }

template <class Options>
Constraint read_as(const Config& config, const char* place) {
  return make(Fields::reading(config, place).all<Options>());
}
template <class Options>
Config write_as(Options options) {
  Fields fields = Fields::writing();
  describe(fields, options);
  return fields.config();
}

// ---- The classes, in the order of Constraint::Kind ---------------------------------------------
struct ConstraintClass {
  std::string_view name;
  std::string_view text;
  Constraint (*read)(const Config& config);
  Config (*write)(const Constraint& value);
};
constexpr std::array kConstraints{
    ConstraintClass{"MaxNorm", "max_norm",
                    [](const Config& config) { return read_as<MaxNormOptions>(config, "MaxNorm"); },
                    [](const Constraint& c) {
                      return write_as(MaxNormOptions{c.max_value, c.axis});
                    }},
    ConstraintClass{"NonNeg", "non_neg",
                    [](const Config& config) { return read_as<NonNegOptions>(config, "NonNeg"); },
                    [](const Constraint&) { return write_as(NonNegOptions{}); }},
    ConstraintClass{
        "UnitNorm", "unit_norm",
        [](const Config& config) { return read_as<UnitNormOptions>(config, "UnitNorm"); },
        [](const Constraint& c) { return write_as(UnitNormOptions{c.axis}); }},
    ConstraintClass{
        "MinMaxNorm", "min_max_norm",
        [](const Config& config) { return read_as<MinMaxNormOptions>(config, "MinMaxNorm"); },
        [](const Constraint& c) {
          return write_as(MinMaxNormOptions{c.min_value, c.max_value, c.rate, c.axis});
        }},
};

Constraint of_kind(Constraint::Kind kind, Axes axis) {
  Constraint constraint;
  constraint.kind = kind;
  constraint.axis = std::move(axis);
  return constraint;
}

std::vector<std::int64_t> axes_of(const Constraint& constraint, std::size_t rank) {
  std::vector<std::int64_t> axes;
  for (const std::int64_t axis : constraint.axis.numbers()) {
    axes.push_back(axis < 0 ? axis + static_cast<std::int64_t>(rank) : axis);
  }
  std::ranges::sort(axes);
  return axes;
}

// Keras's backend.epsilon().
constexpr float kEpsilon = 1e-7f;

}  // namespace

// ---- What users see ----------------------------------------------------------------------------
Constraint::Constraint(const char* name) {
  const std::string given = check::text("Constraint", name);
  std::vector<std::string_view> known;
  for (const ConstraintClass& one : kConstraints) {
    known.push_back(one.text);
    if (given == one.name || given == one.text) {
      *this = one.read(Config::map());
      return;
    }
  }
  throw ValueError(format("Constraint: there is none named \"", given, "\"; known are ",
                          joined(known), did_you_mean(given, known)));
}

Config Constraint::config() const {
  if (!*this) return {};
  const ConstraintClass& own = kConstraints[static_cast<std::size_t>(kind) - 1];
  return object_config("keras.constraints", std::string(own.name), own.write(*this));
}

Constraint constraint_from_config(const Config& config) {
  if (config.is_null()) return {};
  if (config.is_string()) return Constraint(config.string().c_str());
  const ObjectView object = object_of(config);
  return class_named("constraint", object.class_name, kConstraints).read(object.config);
}

Constraint MaxNorm(double max_value, Axes axis) {
  check::require("MaxNorm", "a max_value", max_value, check::at_least(0));
  Constraint constraint = of_kind(Constraint::Kind::max_norm, std::move(axis));
  constraint.max_value = max_value;
  return constraint;
}
Constraint NonNeg() { return of_kind(Constraint::Kind::non_neg, 0); }
Constraint UnitNorm(Axes axis) { return of_kind(Constraint::Kind::unit_norm, std::move(axis)); }
Constraint MinMaxNorm(MinMaxNormOptions options) {
  check::require("MinMaxNorm", "a min_value", options.min_value, check::at_least(0));
  check::require("MinMaxNorm", "a max_value", options.max_value,
                 check::at_least(options.min_value));
  check::require("MinMaxNorm", "a rate", options.rate, check::closed(0, 1));
  Constraint constraint = of_kind(Constraint::Kind::min_max_norm, std::move(options.axis));
  constraint.min_value = options.min_value;
  constraint.max_value = options.max_value;
  constraint.rate = options.rate;
  return constraint;
}

// ---- What a step does --------------------------------------------------------------------------
void require_axes(const Constraint& constraint, const Shape& shape, const std::string& place) {
  if (!constraint || constraint.kind == Constraint::Kind::non_neg) return;
  const auto refuse = [&](const auto&... what) {
    throw ShapeError(format(place, ": expected axes of the weight's shape ", shape,
                            " in its constraint, received ", what...));
  };
  const std::vector<std::int64_t> axes = axes_of(constraint, shape.rank());
  if (axes.empty()) refuse("none");
  for (const std::int64_t axis : axes) {
    if (axis < 0 || axis >= static_cast<std::int64_t>(shape.rank())) refuse(axis);
  }
  if (std::ranges::adjacent_find(axes) != axes.end()) refuse("one of them twice");
}

Value constraint_factor(const Constraint& constraint, Value weight) {
  if (constraint.kind == Constraint::Kind::non_neg) {
    return ops::map(weight, [](Expr w) { return 1.0f - less(w, 0.0f); });
  }
  const Value squares = ops::reduce(ops::ReduceKind::sum, weight, graph::square,
                                    axes_of(constraint, weight.shape().rank()), true);
  return ops::map(squares, [&](Expr sum) {
    const Expr norm = sqrt(sum);
    const Expr divisor = norm + kEpsilon;
    if (constraint.kind == Constraint::Kind::unit_norm) return 1.0f / divisor;
    const auto low = static_cast<float>(constraint.min_value);
    const auto high = static_cast<float>(constraint.max_value);
    const auto rate = static_cast<float>(constraint.rate);
    const Expr clipped = min(max(norm, low), high);
    return (rate == 1.0f ? clipped : clipped * rate + norm * (1.0f - rate)) / divisor;
  });
}

}  // namespace stoker

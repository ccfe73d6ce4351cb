// This file lists the classes of initializers and regularizers, by Keras's names, with the fields
// of each.
#include "initializers/fields.h"

#include <algorithm>
#include <array>
#include <vector>

namespace stoker {

// ---- Axes --------------------------------------------------------------------------------------
Axes FieldType<Axes>::read(const Config& config) {
  if (config.is_number()) return config.integer();
  return FieldType<std::vector<std::int64_t>>::read(config);
}

Config FieldType<Axes>::write(const Axes& value) {
  const std::vector<std::int64_t>& numbers = value.numbers();
  if (numbers.size() == 1) return numbers[0];
  return FieldType<std::vector<std::int64_t>>::write(numbers);
}

// ---- What an enumeration is called -------------------------------------------------------------
namespace {

using Mode = Initializer::Mode;
using Distribution = Initializer::Distribution;
using Kind = Initializer::Kind;

constexpr std::array<std::string_view, 3> kModes{"fan_in", "fan_out", "fan_avg"};
constexpr std::array<std::string_view, 3> kDistributions{"uniform", "truncated_normal",
                                                         "untruncated_normal"};

template <class Enum>
Enum enum_of(std::string_view name, std::span<const std::string_view> names) {
  const auto found = std::ranges::find(names, name);
  if (found == names.end()) {
    throw ValueError(format("expected one of ", joined(names), ", received \"", name, "\"",
                            did_you_mean(name, names)));
  }
  return static_cast<Enum>(found - names.begin());
}

}  // namespace

template <>
struct FieldType<Mode> {
  static Mode read(const Config& config) { return enum_of<Mode>(config.string(), kModes); }
  static Config write(Mode value) { return std::string(kModes[static_cast<std::size_t>(value)]); }
};
template <>
struct FieldType<Distribution> {
  static Distribution read(const Config& config) {
    return enum_of<Distribution>(config.string(), kDistributions);
  }
  static Config write(Distribution value) {
    return std::string(kDistributions[static_cast<std::size_t>(value)]);
  }
};

// ---- The fields of each class ------------------------------------------------------------------
void describe(Fields& fields, SeedOptions& options) {
  fields("seed", options.seed);
  fields.never({"input_axes", "output_axes"});
}
void describe(Fields& fields, RandomUniformOptions& options) {
  fields("seed", options.seed);
  fields("minval", options.minval);
  fields("maxval", options.maxval);
}
void describe(Fields& fields, RandomNormalOptions& options) {
  fields("seed", options.seed);
  fields("mean", options.mean);
  fields("stddev", options.stddev);
}
void describe(Fields& fields, VarianceScalingOptions& options) {
  fields("seed", options.seed);
  fields("scale", options.scale);
  fields("mode", options.mode);
  fields("distribution", options.distribution);
  fields.never({"input_axes", "output_axes"});
}
void describe(Fields& fields, OrthogonalOptions& options) {
  fields("seed", options.seed);
  fields("gain", options.gain);
}

namespace {

struct NoOptions {};
struct ValueOptions {
  double value = 0.0;
};
struct GainOptions {
  double gain = 1.0;
};

void describe(Fields&, NoOptions&) {}
void describe(Fields& fields, ValueOptions& options) { fields("value", options.value); }
void describe(Fields& fields, GainOptions& options) { fields("gain", options.gain); }
// ---- The classes -------------------------------------------------------------------------------
struct InitializerClass {
  std::string_view name;
  Initializer (*read)(const Config& config);
  bool (*fits)(const Initializer& value);
  Config (*write)(const Initializer& value);
};

template <class Options, class Make>
Initializer read_as(const Config& config, std::string place, Make make) {
  return make(Fields::reading(config, std::move(place)).all<Options>());
}
template <class Options>
Config write_as(Options options) {
  Fields fields = Fields::writing();
  describe(fields, options);
  return fields.config();
}

bool is_scaling(const Initializer& value, double scale, Mode mode, Distribution distribution) {
  return value.kind == Kind::variance_scaling && value.a == scale && value.mode == mode &&
         value.distribution == distribution;
}

// A class with fixed scale, mode and distribution, whose only option is the seed.
#define STOKER_SCALING(Name, scale, mode, distribution)                                 \
  InitializerClass {                                                                    \
#Name,                                                                                \
        [](const Config& config) { return read_as<SeedOptions>(config, #Name, Name); },   \
        [](const Initializer& value) {                                                    \
          return is_scaling(value, scale, Mode::mode, Distribution::distribution);        \
        },                                                                                \
        [](const Initializer& value) { return write_as(SeedOptions{value.seed}); } \
  }

// A special class comes before a more general one that would match its values too.
constexpr std::array kClasses{
    InitializerClass{"Zeros",
                     [](const Config& config) {
                       return read_as<NoOptions>(config, "Zeros",
                                                 [](NoOptions) { return Zeros(); });
                     },
                     [](const Initializer& value) { return value.kind == Kind::zeros; },
                     [](const Initializer&) { return write_as(NoOptions{}); }},
    InitializerClass{"Ones",
                     [](const Config& config) {
                       return read_as<NoOptions>(config, "Ones", [](NoOptions) { return Ones(); });
                     },
                     [](const Initializer& value) { return value.kind == Kind::ones; },
                     [](const Initializer&) { return write_as(NoOptions{}); }},
    InitializerClass{"Constant",
                     [](const Config& config) {
                       return read_as<ValueOptions>(config, "Constant", [](ValueOptions given) {
                         return Constant(given.value);
                       });
                     },
                     [](const Initializer& value) { return value.kind == Kind::constant; },
                     [](const Initializer& value) { return write_as(ValueOptions{value.a}); }},
    InitializerClass{"RandomUniform",
                     [](const Config& config) {
                       return read_as<RandomUniformOptions>(config, "RandomUniform", RandomUniform);
                     },
                     [](const Initializer& value) { return value.kind == Kind::random_uniform; },
                     [](const Initializer& value) {
                       return write_as(RandomUniformOptions{value.a, value.b, value.seed});
                     }},
    InitializerClass{"RandomNormal",
                     [](const Config& config) {
                       return read_as<RandomNormalOptions>(config, "RandomNormal", RandomNormal);
                     },
                     [](const Initializer& value) { return value.kind == Kind::random_normal; },
                     [](const Initializer& value) {
                       return write_as(RandomNormalOptions{value.a, value.b, value.seed});
                     }},
    InitializerClass{"TruncatedNormal",
                     [](const Config& config) {
                       return read_as<RandomNormalOptions>(config, "TruncatedNormal",
                                                           TruncatedNormal);
                     },
                     [](const Initializer& value) { return value.kind == Kind::truncated_normal; },
                     [](const Initializer& value) {
                       return write_as(RandomNormalOptions{value.a, value.b, value.seed});
                     }},
    STOKER_SCALING(GlorotUniform, 1.0, fan_avg, uniform),
    STOKER_SCALING(GlorotNormal, 1.0, fan_avg, truncated_normal),
    STOKER_SCALING(HeUniform, 2.0, fan_in, uniform),
    STOKER_SCALING(HeNormal, 2.0, fan_in, truncated_normal),
    STOKER_SCALING(LecunUniform, 1.0, fan_in, uniform),
    STOKER_SCALING(LecunNormal, 1.0, fan_in, truncated_normal),
    InitializerClass{"VarianceScaling",
                     [](const Config& config) {
                       return read_as<VarianceScalingOptions>(config, "VarianceScaling",
                                                              VarianceScaling);
                     },
                     [](const Initializer& value) { return value.kind == Kind::variance_scaling; },
                     [](const Initializer& value) {
                       return write_as(VarianceScalingOptions{value.a, value.mode,
                                                              value.distribution, value.seed});
                     }},
    InitializerClass{"Orthogonal",
                     [](const Config& config) {
                       return read_as<OrthogonalOptions>(config, "Orthogonal", Orthogonal);
                     },
                     [](const Initializer& value) { return value.kind == Kind::orthogonal; },
                     [](const Initializer& value) {
                       return write_as(OrthogonalOptions{value.a, value.seed});
                     }},
    InitializerClass{"Identity",
                     [](const Config& config) {
                       return read_as<GainOptions>(config, "Identity", [](GainOptions given) {
                         return IdentityInitializer(given.gain);
                       });
                     },
                     [](const Initializer& value) { return value.kind == Kind::identity; },
                     [](const Initializer& value) { return write_as(GainOptions{value.a}); }},
};
#undef STOKER_SCALING

// Keras has a second name for these classes.
std::string_view canonical(std::string_view name) {
  if (name == "IdentityInitializer") return "Identity";
  if (name == "OrthogonalInitializer") return "Orthogonal";
  return name;
}

// ---- Regularizers ------------------------------------------------------------------------------
struct L1Options {
  double l1 = 0.01;
};
struct L2Options {
  double l2 = 0.01;
};
struct L1L2Options {
  double l1 = 0.0;
  double l2 = 0.0;
};
void describe(Fields& fields, L1Options& options) { fields("l1", options.l1); }
void describe(Fields& fields, L2Options& options) { fields("l2", options.l2); }
void describe(Fields& fields, L1L2Options& options) {
  fields("l1", options.l1);
  fields("l2", options.l2);
}
struct OrthogonalRegularizerOptions {
  double factor = 0.01;
  std::string mode = "rows";
};
void describe(Fields& fields, OrthogonalRegularizerOptions& options) {
  fields("factor", options.factor);
  fields("mode", options.mode);
}

struct RegularizerClass {
  std::string_view name;
  Regularizer (*read)(const Config& config);
};
constexpr std::array kRegularizers{
    RegularizerClass{
        "L1",
        [](const Config& config) { return L1(Fields::reading(config, "L1").all<L1Options>().l1); }},
    RegularizerClass{
        "L2",
        [](const Config& config) { return L2(Fields::reading(config, "L2").all<L2Options>().l2); }},
    RegularizerClass{"L1L2",
                     [](const Config& config) {
                       const auto given = Fields::reading(config, "L1L2").all<L1L2Options>();
                       return L1L2(given.l1, given.l2);
                     }},
    RegularizerClass{
        "OrthogonalRegularizer",
        [](const Config& config) {
          const auto given =
              Fields::reading(config, "OrthogonalRegularizer").all<OrthogonalRegularizerOptions>();
          return OrthogonalRegularizer(given.factor, given.mode);
        }},
};

}  // namespace

Config Initializer::config() const {
  for (const InitializerClass& one : kClasses) {
    if (one.fits(*this)) {
      return object_config("keras.initializers", std::string(one.name), one.write(*this));
    }
  }
  return {};
}

Initializer initializer_from_config(const Config& config) {
  if (config.is_string()) return Initializer(config.string());
  const ObjectView object = object_of(config);
  return class_named("initializer", canonical(object.class_name), kClasses).read(object.config);
}

Config Regularizer::config() const {
  if (!*this) return {};
  const auto of = [](const char* name, auto options) {
    return object_config("keras.regularizers", name, write_as(options));
  };
  if (factor != 0.0) {
    return of("OrthogonalRegularizer",
              OrthogonalRegularizerOptions{factor, columns ? "columns" : "rows"});
  }
  if (l2 == 0.0) return of("L1", L1Options{l1});
  if (l1 == 0.0) return of("L2", L2Options{l2});
  return of("L1L2", L1L2Options{l1, l2});
}

Regularizer regularizer_from_config(const Config& config) {
  if (config.is_null()) return {};
  if (config.is_string()) return Regularizer(config.string().c_str());
  const ObjectView object = object_of(config);
  return class_named("regularizer", object.class_name, kRegularizers).read(object.config);
}

}  // namespace stoker

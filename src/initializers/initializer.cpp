// Initializers by name, and the functions that make them.
#include <array>
#include <string_view>
#include <vector>

#include "core/check.h"
#include "core/format.h"
#include "core/nearest.h"
#include "stoker/error.h"
#include "stoker/initializers.h"

namespace stoker {
namespace {

using Mode = Initializer::Mode;
using Distribution = Initializer::Distribution;

Initializer random(Initializer::Kind kind, double a, double b, std::optional<std::uint64_t> seed) {
  Initializer result(kind);
  result.a = a;
  result.b = b;
  result.seed = seed;
  return result;
}

void require_normal(const char* name, const RandomNormalOptions& options) {
  check::require(name, "a mean", options.mean, check::finite());
  check::require(name, "a stddev", options.stddev, check::at_least(0));
}

struct Named {
  std::string_view name;
  std::string_view class_name;
  Initializer (*make)();
};

constexpr std::array kInitializers{
    Named{"zeros", "Zeros", [] { return Zeros(); }},
    Named{"ones", "Ones", [] { return Ones(); }},
    Named{"constant", "Constant", [] { return Constant(); }},
    Named{"random_uniform", "RandomUniform", [] { return RandomUniform(); }},
    Named{"random_normal", "RandomNormal", [] { return RandomNormal(); }},
    Named{"truncated_normal", "TruncatedNormal", [] { return TruncatedNormal(); }},
    Named{"variance_scaling", "VarianceScaling", [] { return VarianceScaling(); }},
    Named{"glorot_uniform", "GlorotUniform", [] { return GlorotUniform(); }},
    Named{"glorot_normal", "GlorotNormal", [] { return GlorotNormal(); }},
    Named{"he_uniform", "HeUniform", [] { return HeUniform(); }},
    Named{"he_normal", "HeNormal", [] { return HeNormal(); }},
    Named{"lecun_uniform", "LecunUniform", [] { return LecunUniform(); }},
    Named{"lecun_normal", "LecunNormal", [] { return LecunNormal(); }},
    Named{"orthogonal", "Orthogonal", [] { return Orthogonal(); }},
    Named{"identity", "Identity", [] { return IdentityInitializer(); }},
    // These are Keras's other names for some of them.
    Named{"zero", "zero", [] { return Zeros(); }},
    Named{"one", "one", [] { return Ones(); }},
    Named{"uniform", "uniform", [] { return RandomUniform(); }},
    Named{"normal", "normal", [] { return RandomNormal(); }},
};

Initializer find(const std::string& name) {
  for (const Named& entry : kInitializers) {
    if (name == entry.name || name == entry.class_name) return entry.make();
  }
  std::vector<std::string_view> known;
  for (const Named& entry : kInitializers) known.push_back(entry.name);
  throw ValueError(format("Initializer: there is none named \"", name, "\"; known are ",
                          joined(known), did_you_mean(name, known)));
}

}  // namespace

Initializer::Initializer(const char* name) : Initializer(find(check::text("Initializer", name))) {}
Initializer::Initializer(const std::string& name) : Initializer(find(name)) {}

Initializer Zeros() { return Initializer(Initializer::Kind::zeros); }
Initializer Ones() { return Initializer(Initializer::Kind::ones); }
Initializer Constant(double value) {
  check::require("Constant", "a value", value, check::finite());
  return random(Initializer::Kind::constant, value, 0.0, std::nullopt);
}

Initializer RandomUniform(RandomUniformOptions options) {
  check::require("RandomUniform", "a minval", options.minval, check::finite());
  check::require("RandomUniform", "a maxval (beside this minval)", options.maxval,
                 check::at_least(options.minval));
  return random(Initializer::Kind::random_uniform, options.minval, options.maxval, options.seed);
}
Initializer RandomNormal(RandomNormalOptions options) {
  require_normal("RandomNormal", options);
  return random(Initializer::Kind::random_normal, options.mean, options.stddev, options.seed);
}
Initializer TruncatedNormal(RandomNormalOptions options) {
  require_normal("TruncatedNormal", options);
  return random(Initializer::Kind::truncated_normal, options.mean, options.stddev, options.seed);
}

Initializer VarianceScaling(VarianceScalingOptions options) {
  check::require("VarianceScaling", "a scale", options.scale, check::above(0));
  Initializer result(Initializer::Kind::variance_scaling);
  result.a = options.scale;
  result.mode = options.mode;
  result.distribution = options.distribution;
  result.seed = options.seed;
  return result;
}

// Glorot, Bengio: "Understanding the difficulty of training deep feedforward neural networks",
// 2010.
Initializer GlorotUniform(SeedOptions options) {
  return VarianceScaling({1.0, Mode::fan_avg, Distribution::uniform, options.seed});
}
Initializer GlorotNormal(SeedOptions options) {
  return VarianceScaling({1.0, Mode::fan_avg, Distribution::truncated_normal, options.seed});
}
// He, Zhang, Ren, Sun: "Delving deep into rectifiers", 2015.
Initializer HeUniform(SeedOptions options) {
  return VarianceScaling({2.0, Mode::fan_in, Distribution::uniform, options.seed});
}
Initializer HeNormal(SeedOptions options) {
  return VarianceScaling({2.0, Mode::fan_in, Distribution::truncated_normal, options.seed});
}
// LeCun, Bottou, Orr, Müller: "Efficient backprop", 1998.
Initializer LecunUniform(SeedOptions options) {
  return VarianceScaling({1.0, Mode::fan_in, Distribution::uniform, options.seed});
}
Initializer LecunNormal(SeedOptions options) {
  return VarianceScaling({1.0, Mode::fan_in, Distribution::truncated_normal, options.seed});
}

Initializer Orthogonal(OrthogonalOptions options) {
  check::require("Orthogonal", "a gain", options.gain, check::finite());
  return random(Initializer::Kind::orthogonal, options.gain, 0.0, options.seed);
}
Initializer IdentityInitializer(double gain) {
  check::require("Identity", "a gain", gain, check::finite());
  return random(Initializer::Kind::identity, gain, 0.0, std::nullopt);
}

}  // namespace stoker

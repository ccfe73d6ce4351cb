// Initializers and regularizers, with Keras 3's names, defaults and formulas.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace stoker {

class Config;

// An initializer says how a weight gets its first values. Strings work wherever an Initializer is
// taken: "zeros", "ones", "glorot_uniform", "glorot_normal", "he_uniform", "he_normal",
// "lecun_uniform", "lecun_normal", "random_uniform", "random_normal", "truncated_normal",
// "orthogonal", "identity" (and Keras's class names). An unknown name throws ValueError.
//
// Without a seed of its own an initializer draws from the model's seed, keyed by layer and weight.
class Initializer {
 public:
  enum class Kind : std::uint8_t {
    zeros,
    ones,
    constant,
    random_uniform,
    random_normal,
    truncated_normal,
    variance_scaling,
    orthogonal,
    identity,
  };
  enum class Mode : std::uint8_t { fan_in, fan_out, fan_avg };
  enum class Distribution : std::uint8_t { uniform, truncated_normal, untruncated_normal };

  Initializer(const char* name);
  Initializer(const std::string& name);
  explicit Initializer(Kind kind) : kind(kind) {}

  Kind kind = Kind::zeros;
  double a = 0.0;  // constant: value; random: low or mean; variance_scaling: scale; others: gain
  double b = 0.0;  // random: high or standard deviation
  Mode mode = Mode::fan_in;
  Distribution distribution = Distribution::truncated_normal;
  std::optional<std::uint64_t> seed;

  // Returns {"class_name": "GlorotUniform", "config": {"seed": null}, ...}, as Keras writes it.
  Config config() const;
};
// Makes an initializer from such a map, or from a name. Throws ValueError, with the place and the
// nearest known name, for a class, a key or a value that is not known.
Initializer initializer_from_config(const Config& config);

struct SeedOptions {
  std::optional<std::uint64_t> seed{};
};
struct RandomUniformOptions {
  double minval = -0.05;
  double maxval = 0.05;
  std::optional<std::uint64_t> seed{};
};
struct RandomNormalOptions {
  double mean = 0.0;
  double stddev = 0.05;
  std::optional<std::uint64_t> seed{};
};
struct VarianceScalingOptions {
  double scale = 1.0;
  Initializer::Mode mode = Initializer::Mode::fan_in;
  Initializer::Distribution distribution = Initializer::Distribution::truncated_normal;
  std::optional<std::uint64_t> seed{};
};
struct OrthogonalOptions {
  double gain = 1.0;
  std::optional<std::uint64_t> seed{};
};

Initializer Zeros();
Initializer Ones();
Initializer Constant(double value = 0.0);
Initializer RandomUniform(RandomUniformOptions options = {});
Initializer RandomNormal(RandomNormalOptions options = {});
Initializer TruncatedNormal(RandomNormalOptions options = {});
Initializer VarianceScaling(VarianceScalingOptions options = {});
Initializer GlorotUniform(SeedOptions options = {});
Initializer GlorotNormal(SeedOptions options = {});
Initializer HeUniform(SeedOptions options = {});
Initializer HeNormal(SeedOptions options = {});
Initializer LecunUniform(SeedOptions options = {});
Initializer LecunNormal(SeedOptions options = {});
Initializer Orthogonal(OrthogonalOptions options = {});
Initializer IdentityInitializer(double gain = 1.0);

// A penalty on a weight, added to the loss: l1 * sum|w| + l2 * sum w^2, or, for a matrix, `factor`
// times the mean of |a b| over pairs of its rows (or columns), each scaled to length 1. Strings
// "l1", "l2", "l1_l2" and "orthogonal_regularizer" take Keras's default factor 0.01.
class Regularizer {
 public:
  Regularizer() = default;
  Regularizer(std::nullptr_t) {}
  Regularizer(const char* name);
  // Throws ValueError unless both factors are finite and at least 0.
  Regularizer(double l1, double l2);

  double l1 = 0.0;
  double l2 = 0.0;
  double factor = 0.0;   // of orthogonality
  bool columns = false;  // Whether columns shall be orthogonal, and not rows.
  explicit operator bool() const { return l1 != 0.0 || l2 != 0.0 || factor != 0.0; }

  // Returns {"class_name": "L2", "config": {"l2": 0.01}, ...}, as Keras writes it; null if there is
  // no penalty.
  Config config() const;
};
// Makes a regularizer from such a map, from a name, or from null, which means no penalty. Throws as
// initializer_from_config().
Regularizer regularizer_from_config(const Config& config);
Regularizer L1(double l1 = 0.01);
Regularizer L2(double l2 = 0.01);
Regularizer L1L2(double l1 = 0.0, double l2 = 0.0);
// `mode` is "rows" or "columns". A layer throws ShapeError where its weight is no matrix, or has
// only one of them.
Regularizer OrthogonalRegularizer(double factor = 0.01, const std::string& mode = "rows");

}  // namespace stoker

// The formulas of the initializers. Weights are filled once, on the host.
#include "initializers/initialize.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "core/format.h"
#include "stoker/error.h"
#include "stoker/random.h"

namespace stoker::initializers {
namespace {

// Training does not reach this step, so no weight shares random numbers with a layer's dropout.
constexpr std::uint32_t kInitializerStep = 0xffffffffU;

// The standard deviation of a standard normal distribution that is cut off at +-2.
constexpr double kTruncatedStddev = 0.87962566103423978;

// Fills with normal numbers, which are drawn again where they lie more than two standard deviations
// from the mean.
void fill_truncated(std::span<float> values, double mean, double stddev, Random& random) {
  random.fill_normal(values);
  for (float& value : values) {
    while (std::abs(value) > 2.0f) value = random.normal();
    value = static_cast<float>(mean + stddev * static_cast<double>(value));
  }
}

void fill_by_variance(std::span<float> values, const Fans& fans, const Initializer& initializer,
                      Random& random) {
  double fan = fans.in;
  if (initializer.mode == Initializer::Mode::fan_out) fan = fans.out;
  if (initializer.mode == Initializer::Mode::fan_avg) fan = (fans.in + fans.out) / 2.0;
  const double variance = initializer.a / std::max(1.0, fan);
  switch (initializer.distribution) {
    case Initializer::Distribution::truncated_normal:
      return fill_truncated(values, 0.0, std::sqrt(variance) / kTruncatedStddev, random);
    case Initializer::Distribution::untruncated_normal:
      return random.fill_normal(values, 0.0f, static_cast<float>(std::sqrt(variance)));
    case Initializer::Distribution::uniform: {
      const auto limit = static_cast<float>(std::sqrt(3.0 * variance));
      return random.fill_uniform(values, -limit, limit);
    }
  }
}

// Eight sums run side by side, so that an addition need not wait for the one before it.
double dot(const double* a, const double* b, std::size_t n) {
  double sums[8] = {};
  std::size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    for (std::size_t k = 0; k < 8; ++k) sums[k] += a[i + k] * b[i + k];
  }
  for (; i < n; ++i) sums[0] += a[i] * b[i];
  return std::accumulate(std::begin(sums), std::end(sums), 0.0);
}

// The columns are orthonormal: they are the Q of a normal matrix's QR in which R has a positive
// diagonal, as Keras gets it by multiplying its Q with the signs of that diagonal (Saxe,
// McClelland, Ganguli 2014). They are computed by Gram-Schmidt orthogonalisation, done twice, which
// is orthogonal to working precision (Giraud, Langou, Rozložník 2005).
std::vector<double> orthonormal_columns(std::size_t rows, std::size_t columns, Random& random) {
  std::vector<double> matrix(rows * columns);  // The matrix is stored column by column.
  for (double& value : matrix) value = static_cast<double>(random.normal());
  for (std::size_t j = 0; j < columns; ++j) {
    double* column = &matrix[j * rows];
    for (int pass = 0; pass < 2; ++pass) {
      for (std::size_t i = 0; i < j; ++i) {
        const double* done = &matrix[i * rows];
        const double share = dot(done, column, rows);
        for (std::size_t k = 0; k < rows; ++k) column[k] -= share * done[k];
      }
    }
    const double norm = std::sqrt(dot(column, column, rows));
    for (std::size_t k = 0; k < rows; ++k) column[k] /= norm;
  }
  return matrix;
}

void fill_orthogonal(std::span<float> values, const Shape& shape, double gain, Random& random) {
  if (shape.rank() < 2) {
    throw ValueError(format("Orthogonal: expected a weight of rank 2 or more, received ", shape));
  }
  const auto columns = static_cast<std::size_t>(shape.back());
  const std::size_t rows = values.size() / std::max<std::size_t>(columns, 1);
  const bool is_wide = rows < columns;
  const std::size_t length = is_wide ? columns : rows;
  const std::vector<double> q = orthonormal_columns(length, is_wide ? rows : columns, random);
  for (std::size_t row = 0; row < rows; ++row) {
    for (std::size_t column = 0; column < columns; ++column) {
      const double value = is_wide ? q[row * length + column] : q[column * length + row];
      values[row * columns + column] = static_cast<float>(gain * value);
    }
  }
}

void fill_identity(std::span<float> values, const Shape& shape, double gain) {
  if (shape.rank() != 2) {
    throw ValueError(format("IdentityInitializer: expected a weight of rank 2, received ", shape));
  }
  std::fill(values.begin(), values.end(), 0.0f);
  const auto columns = static_cast<std::size_t>(shape[1]);
  const auto diagonal = static_cast<std::size_t>(std::min(shape[0], shape[1]));
  for (std::size_t i = 0; i < diagonal; ++i) values[i * columns + i] = static_cast<float>(gain);
}

}  // namespace

Fans fans_of(const Shape& shape) {
  if (shape.rank() == 0) return {};
  if (shape.rank() == 1) return {static_cast<double>(shape[0]), static_cast<double>(shape[0])};
  double receptive_field = 1.0;
  for (std::size_t i = 0; i + 2 < shape.rank(); ++i) {
    receptive_field *= static_cast<double>(shape[i]);
  }
  return {receptive_field * static_cast<double>(shape[shape.rank() - 2]),
          receptive_field * static_cast<double>(shape.back())};
}

void initialize(std::span<float> values, const Shape& shape, const Initializer& initializer,
                std::uint64_t seed, std::uint32_t stream, const std::optional<Fans>& fans) {
  Random random(initializer.seed.value_or(seed), stream, kInitializerStep);
  const auto a = static_cast<float>(initializer.a);
  const auto b = static_cast<float>(initializer.b);
  switch (initializer.kind) {
    case Initializer::Kind::zeros:
      return std::fill(values.begin(), values.end(), 0.0f);
    case Initializer::Kind::ones:
      return std::fill(values.begin(), values.end(), 1.0f);
    case Initializer::Kind::constant:
      return std::fill(values.begin(), values.end(), a);
    case Initializer::Kind::random_uniform:
      return random.fill_uniform(values, a, b);
    case Initializer::Kind::random_normal:
      return random.fill_normal(values, a, b);
    case Initializer::Kind::truncated_normal:
      return fill_truncated(values, initializer.a, initializer.b, random);
    case Initializer::Kind::variance_scaling:
      return fill_by_variance(values, fans.value_or(fans_of(shape)), initializer, random);
    case Initializer::Kind::orthogonal:
      return fill_orthogonal(values, shape, initializer.a, random);
    case Initializer::Kind::identity:
      return fill_identity(values, shape, initializer.a);
  }
}

}  // namespace stoker::initializers

// Regularizers by name, and the functions that make them.
#include "core/check.h"
#include "core/format.h"
#include "stoker/error.h"
#include "stoker/initializers.h"

namespace stoker {
namespace {

constexpr double kDefaultFactor = 0.01;

}  // namespace

Regularizer::Regularizer(double of_magnitudes, double of_squares)
    : l1(of_magnitudes), l2(of_squares) {
  check::require("Regularizer", "l1", l1, check::at_least(0));
  check::require("Regularizer", "l2", l2, check::at_least(0));
}

Regularizer::Regularizer(const char* name) {
  const std::string text = check::text("Regularizer", name);
  const bool is_both = text == "l1_l2" || text == "L1L2";
  if (is_both || text == "l1" || text == "L1") l1 = kDefaultFactor;
  if (is_both || text == "l2" || text == "L2") l2 = kDefaultFactor;
  if (text == "orthogonal_regularizer" || text == "OrthogonalRegularizer") factor = kDefaultFactor;
  if (!*this) {
    throw ValueError(format("Regularizer: there is none named \"", text,
                            "\"; known are l1, l2, l1_l2, orthogonal_regularizer"));
  }
}

Regularizer L1(double l1) { return Regularizer(l1, 0.0); }
Regularizer L2(double l2) { return Regularizer(0.0, l2); }
Regularizer L1L2(double l1, double l2) { return Regularizer(l1, l2); }

Regularizer OrthogonalRegularizer(double factor, const std::string& mode) {
  check::require("OrthogonalRegularizer", "a factor", factor, check::at_least(0));
  if (mode != "rows" && mode != "columns") {
    throw ValueError(
        format("OrthogonalRegularizer: expected mode rows or columns, received \"", mode, "\""));
  }
  Regularizer regularizer;
  regularizer.factor = factor;
  regularizer.columns = mode == "columns";
  return regularizer;
}

}  // namespace stoker

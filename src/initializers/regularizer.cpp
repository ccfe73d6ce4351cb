// Regularizers by name, and the functions that make them.
#include "core/format.h"
#include "stoker/error.h"
#include "stoker/initializers.h"

namespace stoker {
namespace {

constexpr double kDefaultFactor = 0.01;

Regularizer checked(double l1, double l2) {
  if (!(l1 >= 0.0) || !(l2 >= 0.0)) {
    throw ValueError(
        format("Regularizer: expected factors of 0 or more, received l1 = ", l1, ", l2 = ", l2));
  }
  return {l1, l2};
}

}  // namespace

Regularizer::Regularizer(const char* name) {
  const std::string text = name;
  const bool is_both = text == "l1_l2" || text == "L1L2";
  if (is_both || text == "l1" || text == "L1") l1 = kDefaultFactor;
  if (is_both || text == "l2" || text == "L2") l2 = kDefaultFactor;
  if (!*this) {
    throw ValueError(
        format("Regularizer: there is none named \"", text, "\"; known are l1, l2, l1_l2"));
  }
}

Regularizer L1(double l1) { return checked(l1, 0.0); }
Regularizer L2(double l2) { return checked(0.0, l2); }
Regularizer L1L2(double l1, double l2) { return checked(l1, l2); }

}  // namespace stoker

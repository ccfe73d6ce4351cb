// All options are checked here, when the call that takes them begins, with a message that names the
// place, the option, what was expected and what was received.
#pragma once

#include <cmath>
#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace stoker::check {

// The values that an option may have. No range contains NaN, and infinity is only in a range that
// allows it.
struct Range {
  double low = -HUGE_VAL;
  double high = HUGE_VAL;
  bool low_is_open = false;   // Whether low itself lies outside.
  bool high_is_open = false;  // Whether high itself lies outside.
  bool takes_infinity = false;

  bool contains(double value) const;
  std::string text() const;  // "of 1 or more", "above 0", "in [0, 1)"
};

constexpr Range at_least(double low) { return {.low = low}; }
constexpr Range above(double low) { return {.low = low, .low_is_open = true}; }
constexpr Range closed(double low, double high) { return {.low = low, .high = high}; }
// [low, high)
constexpr Range half_open(double low, double high) {
  return {.low = low, .high = high, .high_is_open = true};
}
constexpr Range finite() { return {}; }
constexpr Range or_infinity(Range range) {
  range.takes_infinity = true;
  return range;
}

// These throw ValueError "<where>: expected <option> <range>, received <value>" unless the value
// lies in the range.
void require_real(std::string_view where, std::string_view option, double value, Range range);
void require_integer(std::string_view where, std::string_view option, std::int64_t value,
                     Range range);
void require(std::string_view where, std::string_view option, std::floating_point auto value,
             Range range) {
  require_real(where, option, static_cast<double>(value), range);
}
void require(std::string_view where, std::string_view option, std::integral auto value,
             Range range) {
  require_integer(where, option, static_cast<std::int64_t>(value), range);
}

// Returns the text of a name; throws ValueError where it is null.
std::string text(std::string_view where, const char* name);

// The value of an environment variable that holds a whole number; empty where it is not set or
// holds empty text. Throws ValueError for any other text, and for a number outside of the range.
std::optional<std::int64_t> integer_from_environment(const char* variable, Range range);
// Reads a variable that holds 0 or 1.
std::optional<bool> switch_from_environment(const char* variable);

}  // namespace stoker::check

#include "core/check.h"

#include <charconv>
#include <cstdlib>
#include <cstring>

#include "core/format.h"
#include "stoker/error.h"

namespace stoker::check {

bool Range::contains(double value) const {
  if (std::isnan(value)) return false;
  if (std::isinf(value) && !takes_infinity) return false;
  const bool above_low = low_is_open ? value > low : value >= low;
  const bool below_high = high_is_open ? value < high : value <= high;
  return above_low && below_high;
}

namespace {

// Whole limits are printed in full: 2147483647, not 2.14748e+09.
std::string limit_text(double limit) {
  const bool is_whole = std::floor(limit) == limit && std::fabs(limit) < 0x1.0p53;
  return is_whole ? std::to_string(static_cast<std::int64_t>(limit)) : format(limit);
}

}  // namespace

std::string Range::text() const {
  const bool has_low = std::isfinite(low);
  const bool has_high = std::isfinite(high);
  if (has_low && has_high) {
    return format("in ", low_is_open ? "(" : "[", limit_text(low), ", ", limit_text(high),
                  high_is_open ? ")" : "]");
  }
  if (has_low)
    return low_is_open ? "above " + limit_text(low) : "of " + limit_text(low) + " or more";
  if (has_high)
    return high_is_open ? "below " + limit_text(high) : "of " + limit_text(high) + " or less";
  return "to be finite";
}

namespace {

template <class Value>
[[noreturn]] void refuse(std::string_view where, std::string_view option, const Value& value,
                         Range range) {
  throw ValueError(format(where, ": expected ", option, " ", range.text(), ", received ", value));
}

}  // namespace

std::string text(std::string_view where, const char* name) {
  if (name == nullptr)
    throw ValueError(format(where, ": expected a name, received a null pointer"));
  return name;
}

void require_real(std::string_view where, std::string_view option, double value, Range range) {
  if (!range.contains(value)) refuse(where, option, value, range);
}

void require_integer(std::string_view where, std::string_view option, std::int64_t value,
                     Range range) {
  if (!range.contains(static_cast<double>(value))) refuse(where, option, value, range);
}

std::optional<std::int64_t> integer_from_environment(const char* variable, Range range) {
  const char* text = std::getenv(variable);
  if (text == nullptr || *text == '\0') return std::nullopt;
  std::int64_t value = 0;
  const char* end = text + std::strlen(text);
  const auto [stop, error] = std::from_chars(text, end, value);
  if (error != std::errc{} || stop != end) {
    throw ValueError(
        format(variable, ": expected a whole number ", range.text(), ", received \"", text, "\""));
  }
  require_integer(variable, "a whole number", value, range);
  return value;
}

std::optional<bool> switch_from_environment(const char* variable) {
  const char* text = std::getenv(variable);
  if (text == nullptr || *text == '\0') return std::nullopt;
  const std::string_view value(text);
  if (value != "0" && value != "1") {
    throw ValueError(format(variable, ": expected 0 or 1, received \"", value, "\""));
  }
  return value == "1";
}

}  // namespace stoker::check

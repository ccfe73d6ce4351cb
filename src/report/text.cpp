#include "report/text.h"

#include <algorithm>

namespace stoker::report {

std::string percent(double share) { return print("%.1f%%", 100.0 * share); }

std::string number(double value) {
  return print(value < 9.995 ? "%.2f" : value < 99.95 ? "%.1f" : "%.0f", value);
}

std::string duration(double seconds) {
  if (seconds < 0.9995e-3) return number(1e6 * seconds) + " µs";
  if (seconds < 0.9995) return number(1e3 * seconds) + " ms";
  return number(seconds) + " s";
}

std::string rate(double value) {
  if (value < 99.95) return number(value);
  std::string digits = print("%.0f", std::min(value, 1e15));
  for (std::size_t i = digits.size(); i > 3; i -= 3) digits.insert(i - 3, 1, ',');
  return digits;
}

std::string byte_size(double bytes) {
  constexpr std::array<const char*, 5> kUnits = {" B", " kB", " MB", " GB", " TB"};
  std::size_t unit = 0;
  while (bytes >= 999.5 && unit + 1 < kUnits.size()) {
    bytes /= 1000.0;
    ++unit;
  }
  return (unit == 0 ? print("%.0f", bytes) : number(bytes)) + kUnits[unit];
}

}  // namespace stoker::report

// Numbers as people read them.
#pragma once

#include <array>
#include <cstdio>
#include <string>

namespace stoker::report {

template <class... Values>
std::string print(const char* text, Values... values) {
  std::array<char, 64> buffer{};
  std::snprintf(buffer.data(), buffer.size(), text, values...);
  return buffer.data();
}

inline double ratio(double a, double b) { return b > 0.0 ? a / b : 0.0; }

// Returns a share within [0, 1], and 0 where it is no number.
inline double bounded(double share) { return share > 0.0 ? (share < 1.0 ? share : 1.0) : 0.0; }

// Returns a share as "12.3%".
std::string percent(double share);
// Returns a number to three digits: "0.80", "5.10", "12.3", "456".
std::string number(double value);
// Returns a duration as "0.80 µs", "5.10 ms", "12.3 s".
std::string duration(double seconds);
// Returns a rate per second with its thousands separated: "12,345".
std::string rate(double value);
// Returns a size as "1.23 MB", in powers of 1000 bytes.
std::string byte_size(double bytes);

}  // namespace stoker::report

// Charts of characters.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace stoker::report {

// Returns the text with blanks behind it, up to so many columns.
std::string padded(std::string_view text, std::size_t columns);

struct Bar {
  std::string name;
  double value = 0.0;
};
// Returns a line for each bar: its name, a bar whose length is on a logarithmic scale, and its
// value. Lines take at most `columns`, where that is enough for names and values.
std::string bar_chart(const std::vector<Bar>& bars, int columns);

// A line in which characters stand for parts of a whole. Parts that are not positive take none.
struct Part {
  double value = 0.0;
  std::string_view character;  // One column.
};
// Returns so many columns, divided as the parts divide the whole.
std::string divided(const std::vector<Part>& parts, double whole, int columns);

}  // namespace stoker::report

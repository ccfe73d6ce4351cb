// Cells of CSV files.
#pragma once

#include <string>

namespace stoker::csv {

// Returns the fewest digits that read back as the same double.
std::string number(double value);
// Returns the text, in quotes where the separator, a quote or the end of a line in it would break
// the row.
std::string cell(const std::string& text, const std::string& separator = ",");

}  // namespace stoker::csv

#include "core/csv_text.h"

#include <charconv>

namespace stoker::csv {

std::string number(double value) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, value).ptr;
  return {text, end};
}

std::string cell(const std::string& text, const std::string& separator) {
  if (text.find_first_of("\"\r\n" + separator) == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char letter : text) quoted += letter == '"' ? "\"\"" : std::string(1, letter);
  return quoted + '"';
}

}  // namespace stoker::csv

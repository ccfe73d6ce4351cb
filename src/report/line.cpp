#include "report/line.h"

#include <algorithm>
#include <array>

#include "report/columns.h"

namespace stoker::report {

int columns_of(const Line& line) {
  int columns = 0;
  for (const Piece& piece : line) columns += columns_of(std::string_view(piece.text));
  return columns;
}

std::string text_of(const Line& line, bool has_color) {
  // Select Graphic Rendition of ECMA-48, in the order of Style.
  constexpr std::array<const char*, kStyles> kCodes = {"",   "1",  "2",  "32", "37",
                                                       "33", "31", "34", "35", "36"};
  std::string text;
  for (const Piece& piece : line) {
    const std::string code = has_color ? kCodes[static_cast<std::size_t>(piece.style)] : "";
    if (!code.empty()) text += "\x1b[" + code + 'm';
    text += piece.text;
    if (!code.empty()) text += "\x1b[0m";
  }
  return text;
}

void append(Line& line, std::string text, Style style) {
  if (text.empty()) return;
  if (!line.empty() && line.back().style == style) {
    line.back().text += text;
  } else {
    line.push_back({std::move(text), style});
  }
}

void pad(Line& line, int columns) {
  const int missing = columns - columns_of(line);
  if (missing > 0) append(line, std::string(static_cast<std::size_t>(missing), ' '));
}

Line shortened(Line line, int columns, bool is_unicode) {
  int left = columns_of(line);
  if (left <= columns) return line;
  left = columns;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const int width = columns_of(std::string_view(line[i].text));
    if (width < left || (width == left && i + 1 == line.size())) {
      left -= width;
      continue;
    }
    // Text of one column more than there is room for has to end in the ellipsis.
    line[i].text = shortened(line[i].text + (width == left ? " " : ""), left, is_unicode);
    line.resize(i + 1);
    break;
  }
  return line;
}

}  // namespace stoker::report

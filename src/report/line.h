// Lines of text with styles: what displays draw, before it is known on what.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace stoker::report {

enum class Style : unsigned char {
  plain,
  bold,
  dim,
  green,
  white,
  yellow,
  red,
  blue,
  magenta,
  cyan
};
inline constexpr int kStyles = 10;

struct Piece {
  std::string text;  // printable, without line breaks
  Style style = Style::plain;
};

using Line = std::vector<Piece>;

int columns_of(const Line& line);

// Returns the line as bytes for a terminal, with escape sequences for styles where it `has_color`.
std::string text_of(const Line& line, bool has_color);

// Adds to the line, and joins what has the same style.
void append(Line& line, std::string text, Style style = Style::plain);
// Fills the line with blanks up to so many columns.
void pad(Line& line, int columns);
// Returns the beginning of the line that fits so many columns, with an ellipsis where something is
// left out.
Line shortened(Line line, int columns, bool is_unicode);

}  // namespace stoker::report

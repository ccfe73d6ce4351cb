#include "report/curve.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>

#include "report/columns.h"
#include "report/text.h"

namespace stoker::report {
namespace {

constexpr Style kTrainingStyle = Style::cyan;
constexpr Style kValidationStyle = Style::yellow;

// From this quotient of the largest and the smallest value on, the axis is logarithmic.
constexpr double kLogarithmic = 30.0;

struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();

  void add(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  bool is_empty() const { return low > high; }
  // Returns where a value lies, from 0 at the low end to 1 at the high one.
  double place(double value) const { return high > low ? (value - low) / (high - low) : 0.5; }
};

// A canvas of dots, several of which share a character.
class Canvas {
 public:
  Canvas(int columns, int rows, bool is_unicode)
      : columns_(columns),
        rows_(rows),
        is_unicode_(is_unicode),
        cells_(static_cast<std::size_t>(columns) * static_cast<std::size_t>(rows)) {}

  int width() const { return columns_ * (is_unicode_ ? 2 : 1); }
  int height() const { return rows_ * (is_unicode_ ? 4 : 1); }

  // y counts from the bottom.
  void dot(int x, int y, bool is_validation) {
    const int across = is_unicode_ ? 2 : 1, down = is_unicode_ ? 4 : 1;
    const int top = height() - 1 - y;
    Cell& cell = cells_[static_cast<std::size_t>(top / down * columns_ + x / across)];
    // The dots of a Braille character by row and column (Unicode, block 2800).
    constexpr std::uint8_t kBits[4][2] = {{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}};
    cell.bits |= kBits[is_unicode_ ? top % 4 : 0][is_unicode_ ? x % 2 : 0];
    cell.is_validation = cell.is_validation || is_validation;
  }

  // A line from dot to dot (Bresenham, "Algorithm for computer control of a digital plotter",
  // 1965).
  void connect(int x, int y, int to_x, int to_y, bool is_validation) {
    const int across = std::abs(to_x - x), up = -std::abs(to_y - y);
    const int step_x = x < to_x ? 1 : -1, step_y = y < to_y ? 1 : -1;
    for (int error = across + up;;) {
      dot(x, y, is_validation);
      if (x == to_x && y == to_y) return;
      const int twice = 2 * error;
      if (twice >= up) {
        error += up;
        x += step_x;
      }
      if (twice <= across) {
        error += across;
        y += step_y;
      }
    }
  }

  // A point of the validation is a cross, because there may be one of them alone.
  void mark(int x, int y) {
    if (!is_unicode_) return;
    for (const auto& [across, up] : {std::pair(-1, 0), {1, 0}, {0, -1}, {0, 1}}) {
      const bool is_inside =
          x + across >= 0 && x + across < width() && y + up >= 0 && y + up < height();
      if (is_inside) dot(x + across, y + up, true);
    }
  }

  void append_row(Line& line, int row) const {
    for (int column = 0; column < columns_; ++column) {
      const Cell& cell = cells_[static_cast<std::size_t>(row * columns_ + column)];
      const Style style = cell.bits == 0       ? Style::plain
                          : cell.is_validation ? kValidationStyle
                                               : kTrainingStyle;
      append(line, character_of(cell), style);
    }
  }

 private:
  struct Cell {
    std::uint8_t bits = 0;
    bool is_validation = false;
  };

  std::string character_of(const Cell& cell) const {
    if (cell.bits == 0) return " ";
    if (!is_unicode_) return cell.is_validation ? "o" : "*";
    // U+2800 and the bits of the dots, in UTF-8.
    return {static_cast<char>(0xE2), static_cast<char>(0xA0 | cell.bits >> 6),
            static_cast<char>(0x80 | (cell.bits & 0x3F))};
  }

  const int columns_;
  const int rows_;
  const bool is_unicode_;
  std::vector<Cell> cells_;
};

void draw(Canvas& canvas, const Curve& curve, const Range& x_range, const Range& y_range,
          bool is_logarithmic, bool is_validation) {
  int last_x = -1, last_y = 0;
  for (const Curve::Point& point : curve.points()) {
    const double value = is_logarithmic ? std::log(point.y) : point.y;
    const int x = static_cast<int>(std::lround(x_range.place(point.x) * (canvas.width() - 1)));
    const int y = static_cast<int>(std::lround(y_range.place(value) * (canvas.height() - 1)));
    canvas.connect(last_x < 0 ? x : last_x, last_x < 0 ? y : last_y, x, y, is_validation);
    if (is_validation) canvas.mark(x, y);
    last_x = x;
    last_y = y;
  }
}

std::string label_of(double value) {
  const double size = std::fabs(value);
  return print(size != 0.0 && (size < 1e-3 || size >= 1e5) ? "%.1e" : "%.4g", value);
}

}  // namespace

Curve::Curve(std::size_t most) : most_(most) { points_.reserve(most_); }

void Curve::add(double x, double y) {
  if (!std::isfinite(x) || !std::isfinite(y)) return;
  sum_.x += x;
  sum_.y += y;
  if (++in_group_ < group_) return;
  const auto count = static_cast<double>(in_group_);
  points_.push_back({sum_.x / count, sum_.y / count});
  sum_ = {};
  in_group_ = 0;
  if (points_.size() < most_) return;
  for (std::size_t i = 0; i + 1 < points_.size(); i += 2) {
    const Point &a = points_[i], &b = points_[i + 1];
    points_[i / 2] = {(a.x + b.x) / 2, (a.y + b.y) / 2};
  }
  points_.resize(points_.size() / 2);
  group_ *= 2;
}

std::vector<Line> plot(const Curve& training, const Curve& validation, int columns, int rows,
                       bool is_unicode) {
  std::vector<Line> lines(static_cast<std::size_t>(std::max(0, rows)));
  Range x_range, y_range;
  for (const Curve* curve : {&training, &validation}) {
    for (const Curve::Point& point : curve->points()) {
      x_range.add(point.x);
      y_range.add(point.y);
    }
  }
  constexpr int kAxisRows = 1;
  if (y_range.is_empty() || rows <= kAxisRows + 1) return lines;
  const bool is_logarithmic = y_range.low > 0.0 && y_range.high > kLogarithmic * y_range.low;
  const std::string high = label_of(y_range.high);
  const std::string low = y_range.high > y_range.low ? label_of(y_range.low) : "";
  const int margin = static_cast<int>(std::max(high.size(), low.size()));
  const int width = columns - margin - 2;
  if (width < 4) return lines;
  if (is_logarithmic) y_range = {std::log(y_range.low), std::log(y_range.high)};

  Canvas canvas(width, rows - kAxisRows, is_unicode);
  draw(canvas, training, x_range, y_range, is_logarithmic, false);
  draw(canvas, validation, x_range, y_range, is_logarithmic, true);
  for (int row = 0; row < rows - kAxisRows; ++row) {
    Line& line = lines[static_cast<std::size_t>(row)];
    const bool is_bottom = row + 1 == rows - kAxisRows;
    const std::string label = row == 0 ? high : is_bottom ? low : "";
    append(line, std::string(static_cast<std::size_t>(margin) - label.size(), ' ') + label,
           Style::dim);
    append(line, is_unicode ? " │" : " |", Style::dim);
    canvas.append_row(line, row);
  }
  Line& axis = lines.back();
  std::string left = print("%.0f", x_range.low), right = print("%.0f steps", x_range.high);
  if (is_logarithmic) left += " (log)";
  append(axis, std::string(static_cast<std::size_t>(margin), ' ') + (is_unicode ? " └" : " +"),
         Style::dim);
  const int gap = width - static_cast<int>(left.size() + right.size()) - 4;
  if (gap < 1) return lines;
  std::string rule;
  for (int i = 0; i < gap; ++i) rule += is_unicode ? "─" : "-";
  append(axis, " " + left + " " + rule + " " + right, Style::dim);
  return lines;
}

}  // namespace stoker::report

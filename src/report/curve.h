// Curves of losses, drawn with characters.
#pragma once

#include <cstddef>
#include <vector>

#include "report/line.h"

namespace stoker::report {

// A series of points in the order of x. It keeps a bounded number of them, by averaging neighbours
// whenever there are too many, and allocates when it is constructed alone.
class Curve {
 public:
  struct Point {
    double x = 0.0;
    double y = 0.0;
  };

  explicit Curve(std::size_t most = 1024);
  // Adds a point. One that is not finite is left out.
  void add(double x, double y);
  const std::vector<Point>& points() const { return points_; }

 private:
  std::size_t most_;
  std::vector<Point> points_;
  // Points are averaged in groups of so many before they are kept.
  std::size_t group_ = 1;
  std::size_t in_group_ = 0;
  Point sum_{};
};

// Returns `rows` lines of `columns` columns: both curves over one pair of axes, with labels at the
// ends of these. The vertical axis is logarithmic where the values differ by orders of magnitude.
// Braille characters show 2 by 4 points each; without Unicode "*" and "o" show the two curves.
std::vector<Line> plot(const Curve& training, const Curve& validation, int columns, int rows,
                       bool is_unicode);

}  // namespace stoker::report

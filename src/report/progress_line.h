// The line of Keras's progress bar, made to fit.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>

#include "report/line.h"
#include "stoker/history.h"

namespace stoker::report {

struct Progress {
  std::int64_t step = 0;
  std::optional<std::int64_t> steps{};  // of the epoch, where that is known
  double seconds = 0.0;                 // since the epoch began
  bool is_over = false;
};

// The columns of a bar. Where there is less room it is shorter, or left out.
inline constexpr int kBarColumns = 20;

struct LineFormat {
  int columns = std::numeric_limits<int>::max();  // the most that the line may have
  bool is_unicode = true;
  bool has_color = true;  // otherwise the bar tells what is done by its shape
  int bar = kBarColumns;  // the most columns of the bar
};

// Returns "3:25", "1:02:03" or "12s".
std::string clock_time(double seconds);
// Returns "12ms/step".
std::string time_per_step(double seconds);
// Returns a number as Keras writes those of metrics: with four decimals, tiny ones in scientific
// notation.
std::string metric_number(double value);

// Returns a bar of so many columns, of which a share is filled.
Line bar_line(int columns, double share, const LineFormat& format);

struct FittedLine {
  Line line;
  int bar = 0;              // the columns of the bar in it
  bool is_complete = true;  // but for the bar
};

// Returns a line of at most format.columns columns: the step count, a bar, the time, and loss and
// metrics by their names. What does not fit goes in this order: the bar, first by becoming shorter;
// metrics, from the end; the time.
FittedLine progress_line(const Progress& progress, const Logs& logs, const LineFormat& format);

// Returns the line for files and for terminals that can only print: "10/10 - 3s 12ms/step - ...".
std::string plain_progress_line(const Progress& progress, const Logs& logs);

}  // namespace stoker::report

// What the live view of a fit shows: a function from numbers to lines, without a terminal.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "report/curve.h"
#include "report/line.h"
#include "report/progress_line.h"
#include "report/terminal.h"
#include "stoker/history.h"

namespace stoker::report {

// The share of the last second or so that a stage of the feed was busy.
struct StageShare {
  std::string name;
  double share = 0.0;
  std::string detail;  // "2.10 ms a batch"
  Style style = Style::plain;
  bool is_part = false;  // Of the stage before; it is shown where there is room.
};

struct LiveState {
  std::string model;
  std::int64_t epoch = 0;  // counted from 0
  std::int64_t epochs = 1;
  Progress progress{};  // of the epoch
  std::string phase;    // what is done beside training, "validating: 12 steps"; may be empty
  double steps_per_second = 0.0;
  std::optional<double> seconds_left{};  // of the training
  Logs logs;                             // those of the epoch so far
  Logs validation;                       // of the last validation: "val_loss" and so on
  Curve training_loss{};
  Curve validation_loss{};
  std::vector<StageShare> stages;
  int ring_filled = 0;  // batches that are ready
  int ring_size = 0;
  int workers = 1;
  int max_workers = 1;
  std::string verdict;                // with its first advice
  std::vector<std::string> messages;  // what the program has printed last
};

// The smallest terminal that has room for the view.
inline constexpr TerminalSize kSmallestView{.columns = 60, .rows = 16};

// Returns the lines of the screen, `size.rows` of them, none of more than `size.columns` columns. A
// smaller terminal than the smallest gets the line of the progress bar.
std::vector<Line> live_screen(const LiveState& state, TerminalSize size, const LineFormat& format);

}  // namespace stoker::report

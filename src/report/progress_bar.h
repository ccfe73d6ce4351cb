// Keras's progress bar on a terminal, plain lines elsewhere.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>

#include "report/line.h"
#include "report/progress_line.h"
#include "report/terminal.h"
#include "stoker/history.h"

namespace stoker::report {

// Writes "Epoch 1/3" and a line that grows with the steps. It stays one line on any terminal: each
// time it is drawn the terminal's width is asked for, and what does not fit is left out. The last
// line of an epoch is complete. Drawing is for at most ten times a second, so that it does not slow
// the training down.
//
// Between two drawings the cursor stands at the beginning of the line, because a terminal that
// becomes narrower may wrap the line anew, and the cursor then stays with that character.
class ProgressBar {
 public:
  // `verbose` is fit's: 0 silent, 2 one line an epoch, anything else a bar.
  ProgressBar(std::ostream& out, Terminal terminal, int verbose);
  // Where a line is still being drawn, the destructor leaves the cursor behind it.
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  // Where the steps of an epoch are not known beforehand, those of the epoch before are expected.
  void begin_epoch(std::int64_t epoch, std::int64_t epochs, std::optional<std::int64_t> steps);
  // Begins the same line without a heading, for evaluate and predict.
  void begin(std::optional<std::int64_t> steps);

  // Returns whether it is time for an update; the caller then calls update() with the numbers so
  // far.
  bool wants_update(std::int64_t now_ns) const;
  void update(std::int64_t step, const Logs& logs, std::int64_t now_ns);
  void finish(std::int64_t step, const Logs& logs, std::int64_t now_ns);
  // Returns the steps that the epoch has after so many of them, if anything is known of it. Those
  // that were expected no longer count once there are more, or once it is over.
  std::optional<std::int64_t> steps_at(std::int64_t step, bool is_over) const;
  // Prints a line after a finished epoch that says what held it back, if anything did.
  void note(const FeedReport& report);

 private:
  void draw(const Progress& progress, const Logs& logs);
  bool draws_bar() const { return terminal_.is_there() && verbose_ != 2; }
  Progress progress_at(std::int64_t step, std::int64_t now_ns, bool is_over) const;

  std::ostream& out_;
  const Terminal terminal_;
  const int verbose_;
  std::optional<std::int64_t> steps_;
  std::optional<std::int64_t> expected_steps_;
  // The last epoch that began, and the steps of the last one that was finished.
  std::int64_t epoch_ = -1;
  std::optional<std::int64_t> steps_of_last_epoch_;
  std::int64_t began_ns_ = 0;
  std::int64_t next_ns_ = 0;
  // Within an epoch a bar only becomes shorter, because one that changed with every digit of the
  // numbers beside it would flicker. A terminal of another width starts anew.
  int bar_columns_ = kBarColumns;
  int columns_ = 0;   // of the terminal, at the last drawing
  std::string line_;  // what was drawn last; empty where no line is under way
};

// Prints "Warning: ..." to standard error. It takes the place of the line that a progress bar on
// standard output is drawing, if there is one, and the bar goes on in the next line.
void print_warning(const std::string& what);

}  // namespace stoker::report

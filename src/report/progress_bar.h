// Keras's progress bar on a terminal, plain lines elsewhere.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>

#include "stoker/history.h"

namespace stoker::report {

// Writes "Epoch 1/3" and a line that grows with the steps. The line is redrawn at most ten times a
// second, so that it does not slow the training down.
class ProgressBar {
 public:
  // `verbose` is fit's: 0 silent, 1 bar, 2 one line an epoch.
  ProgressBar(std::ostream& out, bool is_terminal, int verbose);

  void begin_epoch(std::int64_t epoch, std::int64_t epochs, std::optional<std::int64_t> steps);
  // Begins the same line without a heading, for evaluate and predict.
  void begin(std::optional<std::int64_t> steps);

  // Returns whether it is time for an update; the caller then calls update() with the numbers so
  // far.
  bool wants_update(std::int64_t now_ns) const;
  void update(std::int64_t step, const Logs& logs, std::int64_t now_ns);
  void finish(std::int64_t step, const Logs& logs, std::int64_t now_ns);
  // Prints a line after a finished epoch that says what held it back, if anything did.
  void note(const FeedReport& report);

 private:
  void draw(std::int64_t step, const Logs& logs, std::int64_t now_ns, bool last);

  std::ostream& out_;
  bool is_terminal_;
  int verbose_;
  std::optional<std::int64_t> steps_;
  std::int64_t began_ns_ = 0;
  std::int64_t next_ns_ = 0;
  std::size_t drawn_ = 0;  // visible width of the line on the terminal
};

// Makes a progress bar that writes to standard output.
ProgressBar standard_progress_bar(int verbose);

}  // namespace stoker::report

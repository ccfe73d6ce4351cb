#include "report/progress_bar.h"

#include <algorithm>
#include <atomic>
#include <iostream>
#include <utility>

#include "core/timeline.h"

namespace stoker::report {

namespace {

constexpr std::int64_t kInterval = 100'000'000;  // 10 Hz

// Control sequences of ECMA-48.
constexpr const char* kClearToEnd = "\x1b[K";
constexpr const char* kClearBelow = "\x1b[J";

// Whether a bar stands on standard output, where others print messages.
std::atomic<bool> stands_on_output{false};

}  // namespace

ProgressBar::ProgressBar(std::ostream& out, Terminal terminal, int verbose)
    : out_(out), terminal_(terminal), verbose_(verbose) {}

ProgressBar::~ProgressBar() {
  if (line_.empty()) return;
  out_ << '\r' << line_ << std::flush;
  stands_on_output = false;
}

void ProgressBar::begin_epoch(std::int64_t epoch, std::int64_t epochs,
                              std::optional<std::int64_t> steps) {
  if (verbose_ != 0) out_ << "Epoch " << epoch + 1 << '/' << epochs << '\n' << std::flush;
  // An epoch that is no later one belongs to another fit, whose data may be others.
  if (epoch <= epoch_) steps_of_last_epoch_.reset();
  const std::optional<std::int64_t> expected = steps_of_last_epoch_;
  begin(steps);
  expected_steps_ = expected;
  epoch_ = epoch;
}

void ProgressBar::begin(std::optional<std::int64_t> steps) {
  steps_ = steps;
  expected_steps_.reset();
  steps_of_last_epoch_.reset();
  epoch_ = -1;
  began_ns_ = now_ns();
  next_ns_ = began_ns_ + kInterval;
  bar_columns_ = kBarColumns;
}

bool ProgressBar::wants_update(std::int64_t now) const {
  return verbose_ != 0 && draws_bar() && now >= next_ns_;
}

std::optional<std::int64_t> ProgressBar::steps_at(std::int64_t step, bool is_over) const {
  if (steps_) return steps_;
  return is_over || step > expected_steps_.value_or(step) ? std::nullopt : expected_steps_;
}

Progress ProgressBar::progress_at(std::int64_t step, std::int64_t now, bool is_over) const {
  return {.step = step,
          .steps = steps_at(step, is_over),
          .seconds = std::max(0.0, 1e-9 * static_cast<double>(now - began_ns_)),
          .is_over = is_over};
}

void ProgressBar::update(std::int64_t step, const Logs& logs, std::int64_t now) {
  next_ns_ = now + kInterval;
  draw(progress_at(step, now, false), logs);
}

void ProgressBar::finish(std::int64_t step, const Logs& logs, std::int64_t now) {
  if (epoch_ >= 0) steps_of_last_epoch_ = step;
  if (verbose_ == 0) return;
  const Progress progress = progress_at(step, now, true);
  if (draws_bar()) return draw(progress, logs);
  out_ << plain_progress_line(progress, logs) << '\n' << std::flush;
}

void ProgressBar::note(const FeedReport& report) {
  using Class = FeedReport::Class;
  const Class bound = report.classify();
  if (verbose_ == 0 || bound == Class::nothing || bound == Class::compute_bound) return;
  out_ << "  " << report.headline() << '\n' << std::flush;
}

void ProgressBar::draw(const Progress& progress, const Logs& logs) {
  const int columns = size_of(terminal_).columns;
  const bool was_resized = !line_.empty() && columns != columns_;
  if (was_resized) bar_columns_ = kBarColumns;
  columns_ = columns;
  // The last column stays free: some terminals wrap as soon as something stands in it.
  LineFormat format{.columns = columns - 1,
                    .is_unicode = terminal_.is_unicode,
                    .has_color = terminal_.has_color,
                    .bar = bar_columns_};
  FittedLine fitted = progress_line(progress, logs, format);
  bar_columns_ = fitted.bar;
  if (progress.is_over && !fitted.is_complete) {
    format.columns = LineFormat{}.columns;
    format.bar = kBarColumns;
    fitted = progress_line(progress, logs, format);
  }

  std::string text = "\r";
  if (progress.is_over || was_resized) text += kClearBelow;
  line_ = text_of(fitted.line, terminal_.has_color);
  text += line_;
  if (progress.is_over) {
    text += '\n';
    line_.clear();
  } else {
    text += kClearToEnd;
    text += '\r';
  }
  if (&out_ == &std::cout) stands_on_output = !progress.is_over;
  out_ << text << std::flush;
}

void print_warning(const std::string& what) {
  if (stands_on_output.exchange(false)) std::cout << '\r' << kClearToEnd << std::flush;
  std::cerr << "Warning: " + what + "\n";
}

}  // namespace stoker::report

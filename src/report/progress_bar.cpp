#include "report/progress_bar.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iostream>
#include <vector>

#include "core/timeline.h"

namespace stoker::report {

namespace {

constexpr std::int64_t kInterval = 100'000'000;  // 10 Hz
constexpr int kBarWidth = 20;

std::string seconds_text(double seconds) {
  char text[32];
  const auto whole = static_cast<long long>(seconds);
  if (seconds >= 3600.0) {
    std::snprintf(text, sizeof text, "%lld:%02lld:%02lld", whole / 3600, whole / 60 % 60,
                  whole % 60);
  } else if (seconds >= 60.0) {
    std::snprintf(text, sizeof text, "%lld:%02lld", whole / 60, whole % 60);
  } else {
    std::snprintf(text, sizeof text, "%llds", whole);
  }
  return text;
}

std::string per_step_text(double seconds) {
  char text[32];
  if (seconds >= 1.0 || seconds == 0.0) {
    std::snprintf(text, sizeof text, "%.0fs/step", seconds);
  } else if (seconds >= 1e-3) {
    std::snprintf(text, sizeof text, "%.0fms/step", seconds * 1e3);
  } else {
    std::snprintf(text, sizeof text, "%.0fus/step", seconds * 1e6);
  }
  return text;
}

// As in Keras, numbers have four decimals, tiny ones are in scientific notation, and names are in
// alphabetical order.
std::string logs_text(const Logs& logs) {
  std::vector<std::pair<std::string, double>> sorted(logs.begin(), logs.end());
  std::sort(sorted.begin(), sorted.end());
  std::string text;
  for (const auto& [name, value] : sorted) {
    char number[32];
    const bool tiny = value != 0.0 && std::fabs(value) <= 1e-3;
    std::snprintf(number, sizeof number, tiny ? "%.4e" : "%.4f", value);
    text += " - " + name + ": " + number;
  }
  return text;
}

}  // namespace

ProgressBar::ProgressBar(std::ostream& out, bool is_terminal, int verbose)
    : out_(out), is_terminal_(is_terminal), verbose_(verbose) {}

ProgressBar standard_progress_bar(int verbose) {
  return {std::cout, isatty(STDOUT_FILENO) != 0, verbose};
}

void ProgressBar::begin_epoch(std::int64_t epoch, std::int64_t epochs,
                              std::optional<std::int64_t> steps) {
  if (verbose_ != 0) out_ << "Epoch " << epoch + 1 << '/' << epochs << '\n' << std::flush;
  begin(steps);
}

void ProgressBar::begin(std::optional<std::int64_t> steps) {
  steps_ = steps;
  began_ns_ = now_ns();
  next_ns_ = began_ns_ + kInterval;
  drawn_ = 0;
}

bool ProgressBar::wants_update(std::int64_t now) const {
  return verbose_ == 1 && is_terminal_ && now >= next_ns_;
}

void ProgressBar::update(std::int64_t step, const Logs& logs, std::int64_t now) {
  next_ns_ = now + kInterval;
  draw(step, logs, now, false);
}

void ProgressBar::finish(std::int64_t step, const Logs& logs, std::int64_t now) {
  if (verbose_ != 0) draw(step, logs, now, true);
}

void ProgressBar::note(const FeedReport& report) {
  using Class = FeedReport::Class;
  const Class bound = report.classify();
  if (verbose_ == 0 || bound == Class::nothing || bound == Class::compute_bound) return;
  out_ << "  " << report.headline() << '\n' << std::flush;
}

void ProgressBar::draw(std::int64_t step, const Logs& logs, std::int64_t now, bool last) {
  const double elapsed = static_cast<double>(now - began_ns_) * 1e-9;
  const double per_step = step > 0 ? elapsed / static_cast<double>(step) : 0.0;
  const std::string total = steps_ ? std::to_string(*steps_) : last ? std::to_string(step) : "?";
  std::string count = std::to_string(step);
  if (count.size() < total.size()) count.insert(0, total.size() - count.size(), ' ');
  count += "/" + total;

  // The line shows the time left while the epoch runs, and the time that it took at the end.
  const bool estimates = steps_ && !last;
  const double shown =
      estimates ? per_step * static_cast<double>(std::max<std::int64_t>(0, *steps_ - step))
                : elapsed;
  const std::string tail =
      " " + seconds_text(shown) + " " + per_step_text(per_step) + logs_text(logs);
  if (!is_terminal_ || verbose_ == 2) {
    out_ << count << " -" << tail << '\n' << std::flush;
    return;
  }
  int filled = 0;
  if (last) {
    filled = kBarWidth;
  } else if (steps_ && *steps_ > 0) {
    filled = static_cast<int>(std::min<std::int64_t>(kBarWidth, step * kBarWidth / *steps_));
  }
  std::string bar;
  for (int i = 0; i < kBarWidth; ++i) bar += "━";
  const std::size_t split = static_cast<std::size_t>(filled) * std::string("━").size();
  const std::size_t width = count.size() + 1 + kBarWidth + tail.size();
  out_ << "\r\x1b[1m" << count << "\x1b[0m \x1b[32m" << bar.substr(0, split) << "\x1b[0m\x1b[37m"
       << bar.substr(split) << "\x1b[0m" << tail;
  if (drawn_ > width) out_ << std::string(drawn_ - width, ' ');
  drawn_ = width;
  if (last) out_ << '\n';
  out_ << std::flush;
}

}  // namespace stoker::report

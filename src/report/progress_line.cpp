#include "report/progress_line.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "report/columns.h"
#include "report/text.h"

namespace stoker::report {
namespace {

// A shorter bar says too little to be worth its place.
constexpr int kShortestBar = 5;
constexpr int kBrackets = 2;  // The columns of "[" and "]" around a bar in ASCII.

std::string count_text(const Progress& progress) {
  const std::string total = progress.steps     ? std::to_string(*progress.steps)
                            : progress.is_over ? std::to_string(progress.step)
                                               : "?";
  std::string count = std::to_string(progress.step);
  if (count.size() < total.size()) count.insert(0, total.size() - count.size(), ' ');
  return count + "/" + total;
}

double seconds_per_step(const Progress& progress) {
  return ratio(progress.seconds, static_cast<double>(progress.step));
}

// Returns the time left while the epoch runs, and the time that it took at the end.
double shown_seconds(const Progress& progress) {
  if (!progress.steps || progress.is_over) return progress.seconds;
  const std::int64_t left = std::max<std::int64_t>(0, *progress.steps - progress.step);
  return seconds_per_step(progress) * static_cast<double>(left);
}

double share_done(const Progress& progress) {
  if (progress.is_over) return 1.0;
  if (!progress.steps || *progress.steps <= 0) return 0.0;
  return static_cast<double>(progress.step) / static_cast<double>(*progress.steps);
}

using Entries = std::vector<const std::pair<std::string, double>*>;

// Returns the first `most` entries in the order of their names. There may be thousands, of which a
// line shows a few.
Entries first_by_name(const Logs& logs, std::size_t most) {
  Entries entries;
  entries.reserve(logs.size());
  for (const auto& entry : logs) entries.push_back(&entry);
  most = std::min(most, entries.size());
  std::partial_sort(entries.begin(), entries.begin() + static_cast<std::ptrdiff_t>(most),
                    entries.end(), [](const auto* a, const auto* b) { return *a < *b; });
  entries.resize(most);
  return entries;
}

// The metrics that fit, and the columns that all of them would have as far as was looked.
struct Metrics {
  std::string text;
  bool is_all = true;
};

Metrics metrics_within(const Logs& logs, int room, bool is_unicode) {
  const int shortest = columns_of(std::string_view(" - : 0.0000"));
  const std::size_t most =
      std::min(logs.size(), static_cast<std::size_t>(std::max(0, room) / shortest) + 1);
  const std::string ellipsis = is_unicode ? " …" : " ...";
  Metrics metrics;
  int columns = 0;
  std::size_t size_with_ellipsis = 0;  // The text that leaves room for the ellipsis.
  std::size_t shown = 0;
  for (const auto* entry : first_by_name(logs, most)) {
    const std::string text =
        " - " + printable(entry->first, is_unicode) + ": " + metric_number(entry->second);
    columns += columns_of(std::string_view(text));
    if (columns > room) break;
    metrics.text += text;
    ++shown;
    if (columns + columns_of(std::string_view(ellipsis)) <= room) {
      size_with_ellipsis = metrics.text.size();
    }
  }
  metrics.is_all = shown == logs.size();
  if (!metrics.is_all) metrics.text = metrics.text.substr(0, size_with_ellipsis) + ellipsis;
  return metrics;
}

}  // namespace

std::string clock_time(double seconds) {
  const auto whole = static_cast<long long>(std::clamp(seconds, 0.0, 1e15));
  if (whole >= 3600) {
    return print("%lld:%02lld:%02lld", whole / 3600, whole / 60 % 60, whole % 60);
  }
  return whole >= 60 ? print("%lld:%02lld", whole / 60, whole % 60) : print("%llds", whole);
}

std::string time_per_step(double seconds) {
  if (seconds >= 1.0 || seconds == 0.0) return print("%.0fs/step", seconds);
  return seconds >= 1e-3 ? print("%.0fms/step", seconds * 1e3)
                         : print("%.0fus/step", seconds * 1e6);
}

std::string metric_number(double value) {
  if (std::isnan(value)) return "nan";  // printf writes the sign of a NaN.
  const bool is_tiny = value != 0.0 && std::fabs(value) <= 1e-3;
  // Four decimals of a large number are noise, and could be three hundred digits long.
  const bool is_scientific = is_tiny || (std::isfinite(value) && std::fabs(value) >= 1e16);
  return print(is_scientific ? "%.4e" : "%.4f", value);
}

Line bar_line(int columns, double share, const LineFormat& format) {
  Line line;
  const int inner = format.is_unicode ? columns : columns - kBrackets;
  if (inner <= 0) return line;
  const int filled = static_cast<int>(std::clamp(share, 0.0, 1.0) * inner);
  if (format.is_unicode) {
    std::string done, left;
    for (int i = 0; i < filled; ++i) done += "━";
    for (int i = filled; i < inner; ++i) left += format.has_color ? "━" : "─";
    append(line, done, Style::green);
    append(line, left, Style::white);
    return line;
  }
  std::string done(static_cast<std::size_t>(filled), '=');
  if (filled > 0 && filled < inner) done.back() = '>';
  append(line, "[");
  append(line, done, Style::green);
  append(line, std::string(static_cast<std::size_t>(inner - filled), '.'), Style::white);
  append(line, "]");
  return line;
}

FittedLine progress_line(const Progress& progress, const Logs& logs, const LineFormat& format) {
  const std::string count = count_text(progress);
  std::string time = " " + clock_time(shown_seconds(progress));
  std::string per_step = " " + time_per_step(seconds_per_step(progress));
  const int room = format.columns - static_cast<int>((count + time + per_step).size());
  Metrics metrics = metrics_within(logs, room, format.is_unicode);
  const auto columns = [&] {
    return columns_of(std::string_view(count + time + per_step + metrics.text));
  };
  FittedLine fitted;
  fitted.is_complete = metrics.is_all;
  for (std::string* part : {&per_step, &time, &metrics.text}) {
    if (columns() <= format.columns) break;
    fitted.is_complete = false;
    part->clear();
  }

  const int brackets = format.is_unicode ? 0 : kBrackets;
  const int room_of_bar = format.columns - columns() - 1 - brackets;
  if (fitted.is_complete && room_of_bar >= kShortestBar) {
    fitted.bar = std::min(format.bar, room_of_bar);
  }
  append(fitted.line, shortened(count, format.columns, format.is_unicode), Style::bold);
  if (fitted.bar > 0) {
    append(fitted.line, " ");
    for (Piece& piece : bar_line(fitted.bar + brackets, share_done(progress), format)) {
      append(fitted.line, std::move(piece.text), piece.style);
    }
  }
  append(fitted.line, time + per_step + metrics.text);
  return fitted;
}

std::string plain_progress_line(const Progress& progress, const Logs& logs) {
  std::string line = count_text(progress) + " - " + clock_time(shown_seconds(progress)) + " " +
                     time_per_step(seconds_per_step(progress));
  for (const auto* entry : first_by_name(logs, logs.size())) {
    line += " - " + without_controls(entry->first) + ": " + metric_number(entry->second);
  }
  return line;
}

}  // namespace stoker::report

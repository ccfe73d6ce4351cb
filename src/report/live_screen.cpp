#include "report/live_screen.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <map>
#include <string_view>
#include <utility>

#include "report/columns.h"
#include "report/text.h"

namespace stoker::report {
namespace {

constexpr int kNameColumns = 10;    // of the stages' names
constexpr int kDetailColumns = 30;  // of what stands behind their bars
constexpr int kNumberColumns = 11;  // of a metric's value
constexpr int kPanelColumns = 36;   // of the metrics beside the curve, at least and at most
constexpr int kWidePanelColumns = 60;
constexpr int kPanelFrom = 78;  // They stand there on terminals of so many columns.
constexpr int kGapColumns = 3;
constexpr int kRowsForTwo = 9;  // From so many rows on the metrics below the curve have two.
constexpr int kMostMessages = 3;

// Returns the text for a terminal without Unicode where it is one.
std::string shown(std::string text, const LineFormat& format) {
  if (format.is_unicode) return printable(text, true);
  constexpr std::pair<std::string_view, std::string_view> kAscii[] = {
      {"→", "->"}, {"µ", "u"}, {"…", "..."}, {"·", "-"}};
  for (const auto& [from, to] : kAscii) {
    for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
      text.replace(at, from.size(), to);
    }
  }
  return printable(text, false);
}

// Returns a bar whose end is drawn to an eighth of a column.
std::string smooth_bar(int columns, double share, bool is_unicode) {
  constexpr std::array<const char*, 8> kEighths = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  const int parts = is_unicode ? 8 : 1;
  const int filled = static_cast<int>(std::lround(bounded(share) * columns * parts));
  std::string bar;
  for (int i = 0; i < filled / parts; ++i) bar += is_unicode ? "█" : "#";
  if (is_unicode) bar += kEighths[static_cast<std::size_t>(filled % parts)];
  return bar;
}

// Without the model's name where there is no room for all.
Line header(const LiveState& state, int columns, const LineFormat& format) {
  const std::string between = format.is_unicode ? " · " : " - ";
  Line line;
  append(line, print("epoch %lld/%lld", static_cast<long long>(state.epoch) + 1,
                     static_cast<long long>(state.epochs)));
  append(line, between + "step " + std::to_string(state.progress.step) +
                   (state.progress.steps ? "/" + std::to_string(*state.progress.steps) : ""));
  append(line, between + rate(state.steps_per_second) + " steps/s");
  if (state.seconds_left) append(line, between + clock_time(*state.seconds_left) + " left");
  if (!state.phase.empty()) append(line, between + shown(state.phase, format), Style::yellow);
  const std::string model = shown(state.model, format);
  if (columns_of(model + between) + columns_of(line) <= columns) {
    line.insert(line.begin(), {Piece{model, Style::bold}, Piece{between}});
  }
  return shortened(std::move(line), columns, format.is_unicode);
}

Line stage_line(const StageShare& stage, int columns, const LineFormat& format) {
  Line line;
  append(line, stage.name, Style::bold);
  pad(line, kNameColumns);
  const int room = columns - kNameColumns - kDetailColumns - 1;
  append(line, smooth_bar(room, stage.share, format.is_unicode), stage.style);
  pad(line, kNameColumns + room + 1);
  append(line, print("%3.0f%%  ", 100.0 * bounded(stage.share)));
  append(line, shown(stage.detail, format), Style::dim);
  return shortened(std::move(line), columns, format.is_unicode);
}

Line ring_line(const LiveState& state, int columns, const LineFormat& format) {
  const int filled = std::clamp(state.ring_filled, 0, std::max(0, state.ring_size));
  std::string workers = print("%d worker%s", state.workers, state.workers == 1 ? "" : "s");
  if (state.max_workers > 1) workers = print("%d/%d workers", state.workers, state.max_workers);
  return stage_line({"ring", ratio(filled, state.ring_size),
                     print("%d/%d ready, ", filled, state.ring_size) + workers, Style::blue},
                    columns, format);
}

// A metric with its value in training and in validation.
struct Row {
  std::string_view name;
  const double* now = nullptr;
  const double* validation = nullptr;
};

// The loss comes first, and others by their names.
std::vector<Row> rows_of(const LiveState& state) {
  constexpr std::string_view kPrefix = "val_";
  const auto before = [](std::string_view a, std::string_view b) {
    const bool a_is_loss = a == "loss", b_is_loss = b == "loss";
    return a_is_loss != b_is_loss ? a_is_loss : a < b;
  };
  std::map<std::string_view, Row, decltype(before)> by_name(before);
  for (const auto& [name, value] : state.logs) {
    if (!name.starts_with(kPrefix)) by_name[name].now = &value;
  }
  for (const auto& [name, value] : state.validation) {
    if (!name.starts_with(kPrefix)) continue;
    by_name[std::string_view(name).substr(kPrefix.size())].validation = &value;
  }
  std::vector<Row> rows;
  for (auto& [name, row] : by_name) {
    row.name = name;
    rows.push_back(row);
  }
  return rows;
}

std::string table_number(double value) {
  const std::string text = metric_number(value);
  return text.size() < kNumberColumns ? text : print("%.2e", value);
}

// Returns a table of metrics, at most `rows` lines. Numbers stand at the right.
std::vector<Line> metric_lines(const LiveState& state, int columns, int rows,
                               const LineFormat& format) {
  std::vector<Line> lines;
  if (rows < 2) return lines;
  const int name_columns = columns - 2 * kNumberColumns;
  const auto right = [](std::string text) {
    return std::string(static_cast<std::size_t>(
                           std::max(0, kNumberColumns - columns_of(std::string_view(text)))),
                       ' ') +
           text;
  };
  Line& heading = lines.emplace_back();
  append(heading, "metric", Style::dim);
  pad(heading, name_columns);
  append(heading, right("now"), Style::cyan);
  append(heading, right("validation"), Style::yellow);
  const std::vector<Row> metrics = rows_of(state);
  for (std::size_t i = 0; i < metrics.size(); ++i) {
    const bool is_last = static_cast<int>(lines.size()) + 1 == rows;
    Line& line = lines.emplace_back();
    if (is_last && i + 1 < metrics.size()) {
      append(line, print("and %zu more", metrics.size() - i), Style::dim);
      break;
    }
    const Row& metric = metrics[i];
    append(line,
           shortened(shown(std::string(metric.name), format), name_columns - 1, format.is_unicode));
    pad(line, name_columns);
    append(line, right(metric.now != nullptr ? table_number(*metric.now) : ""), Style::bold);
    append(line, right(metric.validation != nullptr ? table_number(*metric.validation) : ""));
    if (is_last) break;
  }
  return lines;
}

// Breaks text into lines at blanks; what does not fit into `most` lines ends in an ellipsis.
std::vector<Line> wrapped(std::string_view text, int columns, int most, const LineFormat& format,
                          Style style) {
  std::vector<Line> lines;
  while (!text.empty() && static_cast<int>(lines.size()) < most) {
    std::size_t end = text.size();
    if (static_cast<int>(lines.size()) + 1 < most) {
      while (columns_of(text.substr(0, end)) > columns) {
        const std::size_t blank = text.rfind(' ', end - 1);
        if (blank == std::string_view::npos || blank == 0) break;
        end = blank;
      }
    }
    append(lines.emplace_back(), shortened(text.substr(0, end), columns, format.is_unicode), style);
    text.remove_prefix(std::min(text.size(), end + 1));
  }
  return lines;
}

// Returns the metrics as text: "loss 0.5000 (0.7500 in validation), accuracy ...".
std::string metric_text(const LiveState& state) {
  std::string text;
  for (const Row& metric : rows_of(state)) {
    text += text.empty() ? "" : ", ";
    text += metric.name;
    if (metric.now != nullptr) text += " " + metric_number(*metric.now);
    if (metric.validation != nullptr) {
      text += " (" + metric_number(*metric.validation) + " in validation)";
    }
  }
  return text;
}

// The curve, with the metrics beside it or, on narrow terminals, below.
std::vector<Line> curves(const LiveState& state, int columns, int rows, const LineFormat& format) {
  if (columns < kPanelFrom) {
    const int below = rows < kRowsForTwo ? 1 : 2;
    std::vector<Line> lines =
        plot(state.training_loss, state.validation_loss, columns, rows - below, format.is_unicode);
    std::ranges::move(
        wrapped(shown(metric_text(state), format), columns, below, format, Style::bold),
        std::back_inserter(lines));
    return lines;
  }
  const int panel = std::clamp(columns / 3, kPanelColumns, kWidePanelColumns);
  const int width = columns - panel - kGapColumns;
  std::vector<Line> lines =
      plot(state.training_loss, state.validation_loss, width, rows, format.is_unicode);
  const std::vector<Line> metrics = metric_lines(state, panel, rows, format);
  for (std::size_t i = 0; i < metrics.size(); ++i) {
    pad(lines[i], width + kGapColumns);
    for (const Piece& piece : metrics[i]) append(lines[i], piece.text, piece.style);
  }
  return lines;
}

std::vector<Line> small_screen(const LiveState& state, TerminalSize size, LineFormat format) {
  format.columns = size.columns - 1;
  format.bar = kBarColumns;
  std::vector<Line> lines(static_cast<std::size_t>(std::max(0, size.rows)));
  const Line bar = progress_line(state.progress, state.logs, format).line;
  if (size.rows == 1) lines[0] = bar;
  if (size.rows < 2) return lines;
  lines[0] = header(state, size.columns, format);
  lines[1] = bar;
  return lines;
}

}  // namespace

std::vector<Line> live_screen(const LiveState& state, TerminalSize size, const LineFormat& format) {
  const auto [columns, rows] = size;
  if (columns < kSmallestView.columns || rows < kSmallestView.rows) {
    return small_screen(state, size, format);
  }
  std::vector<Line> top, bottom;
  const bool is_spacious = rows >= 22;
  top.push_back(header(state, columns, format));
  const double share = state.progress.steps ? ratio(static_cast<double>(state.progress.step),
                                                    static_cast<double>(*state.progress.steps))
                                            : 0.0;
  top.push_back(bar_line(columns, share, format));
  if (is_spacious) top.emplace_back();

  if (is_spacious) bottom.emplace_back();
  for (const StageShare& stage : state.stages) {
    if (is_spacious || !stage.is_part) bottom.push_back(stage_line(stage, columns, format));
  }
  bottom.push_back(ring_line(state, columns, format));
  if (is_spacious) bottom.emplace_back();
  const auto add = [&](std::vector<Line> lines, std::size_t least) {
    lines.resize(std::max(least, lines.size()));
    std::ranges::move(lines, std::back_inserter(bottom));
  };
  const int verdict_rows = is_spacious ? 3 : 2;
  add(wrapped(shown(state.verdict, format), columns, verdict_rows, format, Style::plain),
      static_cast<std::size_t>(verdict_rows));
  const int most =
      std::min(static_cast<int>(state.messages.size()), is_spacious ? kMostMessages : 1);
  for (auto message = state.messages.end() - most; message != state.messages.end(); ++message) {
    add(wrapped(shown(*message, format), columns, 1, format, Style::yellow), 1);
  }
  append(bottom.emplace_back(), "q: stop after this step", Style::dim);

  const int middle = rows - static_cast<int>(top.size() + bottom.size());
  std::vector<Line> lines = std::move(top);
  std::ranges::move(curves(state, columns, middle, format), std::back_inserter(lines));
  lines.resize(static_cast<std::size_t>(rows) - bottom.size());
  std::ranges::move(bottom, std::back_inserter(lines));
  return lines;
}

}  // namespace stoker::report

// A history as a table for people: losses and metrics, then those of the validation, the learning
// rate, and how long each epoch took.
#include <algorithm>
#include <cmath>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "core/format.h"
#include "report/columns.h"
#include "report/history_places.h"
#include "report/text.h"
#include "stoker/history.h"

namespace stoker {
namespace {

constexpr std::string_view kRate = "learning_rate";
constexpr std::string_view kWall = "feed_wall";

// Returns the place of a name's column. The feed's other numbers have none.
int rank_of(std::string_view name) {
  if (name == "loss") return 1;
  if (name == "val_loss") return 3;
  if (name.starts_with("val_")) return 4;
  if (name == kRate) return 5;
  if (name == kWall) return 6;
  return name.starts_with("feed_") ? 0 : 2;
}

// As Keras's progress bar prints them.
std::string number_text(double value) {
  const double size = std::abs(value);
  const bool is_plain = value == 0.0 || !std::isfinite(value) || (size > 1e-3 && size < 1e6);
  return report::print(is_plain ? "%.4f" : "%.4e", value);
}

std::size_t width_of(const std::string& text) {
  return static_cast<std::size_t>(std::max(0, report::columns_of(text)));
}

std::vector<std::string> column_of(const History& history, const std::string& name) {
  const std::vector<double>& values = history[name];
  const std::vector<std::size_t> places = report::places_of(history, name);
  std::vector<std::string> cells(std::max(history.epoch.size(), values.size()) + 1);
  cells[0] = name == kWall ? "time" : report::printable(name, true);
  for (std::size_t i = 0; i < values.size(); ++i) {
    cells[places[i] + 1] = name == kWall ? report::duration(values[i]) : number_text(values[i]);
  }
  return cells;
}

}  // namespace

std::ostream& operator<<(std::ostream& out, const History& history) {
  std::vector<std::string> names;
  for (const auto& entry : history.history) {
    if (rank_of(entry.first) > 0) names.push_back(entry.first);
  }
  std::ranges::stable_sort(names, {}, rank_of);
  std::vector<std::vector<std::string>> columns{{"epoch"}};
  for (const std::int64_t epoch : history.epoch) columns[0].push_back(format(epoch));
  for (const std::string& name : names) columns.push_back(column_of(history, name));
  std::size_t lines = 0;
  for (const auto& column : columns) lines = std::max(lines, column.size());
  std::vector<std::string> text(lines);
  for (auto& column : columns) {
    column.resize(lines);
    const std::size_t width = width_of(std::ranges::max(column, {}, width_of));
    for (std::size_t i = 0; i < lines; ++i) {
      text[i] += std::string(width - width_of(column[i]) + (&column == &columns[0] ? 0 : 2), ' ') +
                 column[i];
    }
  }
  for (std::size_t i = 0; i < lines; ++i) {
    text[i].resize(text[i].find_last_not_of(' ') + 1);
    out << (i == 0 ? "" : "\n") << text[i];
  }
  return out;
}

}  // namespace stoker

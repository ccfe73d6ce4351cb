// A history as JSON and as CSV.
#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "core/atomic_file.h"
#include "core/csv_text.h"
#include "core/format.h"
#include "report/history_places.h"
#include "stoker/config.h"
#include "stoker/history.h"

namespace stoker {
namespace {

Config numbers(const std::vector<double>& values) {
  Config::List list;
  list.reserve(values.size());
  for (const double value : values) {
    list.push_back(std::isfinite(value) ? Config(value) : Config());
  }
  return list;
}

}  // namespace

std::string History::to_json() const {
  Config::List epochs(epoch.begin(), epoch.end());
  Config::Map values;
  for (const auto& [name, by_epoch] : history) values.emplace_back(name, numbers(by_epoch));
  Config::List feeds;
  for (const FeedReport& report : feed_by_epoch)
    feeds.push_back(Config::from_json(report.to_json()));
  return Config::map({{"epoch", std::move(epochs)},
                      {"history", std::move(values)},
                      {"feed", Config::from_json(feed.to_json())},
                      {"feed_by_epoch", std::move(feeds)}})
      .to_json();
}

void History::save_json(const std::string& path) const { write_file(path, to_json() + "\n"); }

void History::save_csv(const std::string& path) const {
  std::size_t rows = epoch.size();
  for (const auto& [name, values] : history) rows = std::max(rows, values.size());
  std::string names = "epoch";
  std::vector<std::string> lines(rows);
  for (std::size_t row = 0; row < epoch.size(); ++row) lines[row] = format(epoch[row]);
  for (const auto& [name, values] : history) {
    names += "," + csv::cell(name);
    std::vector<std::string> cells(rows);
    const std::vector<std::size_t> places = report::places_of(*this, name);
    for (std::size_t i = 0; i < values.size(); ++i) cells[places[i]] = csv::number(values[i]);
    for (std::size_t row = 0; row < rows; ++row) lines[row] += "," + cells[row];
  }
  std::string text = names + "\n";
  for (const std::string& line : lines) text += line + "\n";
  write_file(path, text);
}

}  // namespace stoker

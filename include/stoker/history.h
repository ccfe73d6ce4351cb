// The results of a fit: losses and metrics by epoch, and the feed's report.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "stoker/report.h"

namespace stoker {

// Names and values in the order in which Keras prints them: loss, metrics, then val_...
class Logs {
 public:
  void set(const std::string& name, double value);
  bool contains(const std::string& name) const;
  // Returns the value of that name. If there is none, throws a ValueError that lists the names.
  double operator[](const std::string& name) const;
  double loss() const { return (*this)["loss"]; }

  auto begin() const { return values_.begin(); }
  auto end() const { return values_.end(); }
  std::size_t size() const { return values_.size(); }

 private:
  std::vector<std::pair<std::string, double>> values_;
};

struct History {
  std::vector<std::int64_t> epoch;  // the numbers of the epochs that were run, from 0
  // The values by epoch of "loss", "accuracy", "val_loss", ..., and of the feed, in seconds:
  // "feed_wall", "feed_waited_for_generator", "feed_waited_for_upload", "feed_waited_for_launch",
  // "feed_computed".
  std::map<std::string, std::vector<double>> history;
  FeedReport feed;  // the report of the whole fit
  std::vector<FeedReport> feed_by_epoch;

  // Returns history[name]. If there is none, throws a ValueError that lists the names.
  const std::vector<double>& operator[](const std::string& name) const;

  // Returns the verdict on the fit, with a chart of how the time of the last epochs divides, a line
  // of at most `columns` characters for each.
  std::string verdict(int columns = 80) const;

  // Returns everything as one JSON object, with null for numbers that are not finite:
  //   {"epoch": [0, 1], "history": {"loss": [0.5, 0.4]}, "feed": {...}, "feed_by_epoch": [{...}]}
  std::string to_json() const;
  // Write that, and the numbers by epoch as a table whose first column is the epoch. The file
  // appears whole or not at all. They throw IoError.
  void save_json(const std::string& path) const;
  void save_csv(const std::string& path) const;
  // Writes one page of HTML with curves, the verdict and how the time divides, which needs no
  // network. stoker::Report, a callback, makes one that shows more. Throws IoError.
  void save_report(const std::string& path) const;
};

// Prints a table with a line for each epoch.
std::ostream& operator<<(std::ostream& out, const History& history);

}  // namespace stoker

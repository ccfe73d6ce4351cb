#include "report/history_places.h"

#include <algorithm>
#include <cstdint>
#include <numeric>

namespace stoker::report {
namespace {

// The indices of the epochs after which a validation of this frequency runs.
std::vector<std::size_t> validated(const History& history, std::int64_t frequency) {
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < history.epoch.size(); ++i) {
    if ((history.epoch[i] + 1) % frequency == 0) places.push_back(i);
  }
  return places;
}

// The number of these epochs where epochs follow each other, as they do in a fit.
std::size_t count_of(const History& history, std::int64_t frequency) {
  return static_cast<std::size_t>((history.epoch.back() + 1) / frequency -
                                  history.epoch.front() / frequency);
}

double mean_time_outside(const History& history, const std::vector<std::size_t>& places) {
  double sum = 0.0;
  for (const std::size_t place : places) sum += history.feed_by_epoch[place].other;
  return sum / static_cast<double>(places.size());
}

}  // namespace

std::vector<std::size_t> places_of(const History& history, const std::string& name) {
  const std::size_t count = history[name].size();
  const std::size_t epochs = history.epoch.size();
  std::vector<std::size_t> places(count);
  std::iota(places.begin(), places.end(), std::size_t{0});
  if (count >= epochs || count == 0) return places;
  std::iota(places.begin(), places.end(), epochs - count);
  if (!name.starts_with("val_")) return places;
  const bool has_times = history.feed_by_epoch.size() == epochs;
  double most = -1.0;
  for (std::int64_t frequency = 2; frequency <= history.epoch.back() + 1; ++frequency) {
    if (count_of(history, frequency) != count) continue;
    std::vector<std::size_t> found = validated(history, frequency);
    if (found.size() != count) continue;
    const double time = has_times ? mean_time_outside(history, found) : 0.0;
    if (time <= most) continue;
    most = time;
    places = std::move(found);
  }
  return places;
}

}  // namespace stoker::report

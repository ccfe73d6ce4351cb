// The page of a training of which only the history is known.
#include "core/atomic_file.h"
#include "report/history_places.h"
#include "report/page.h"
#include "stoker/history.h"

namespace stoker {
void History::save_report(const std::string& path) const {
  report::Page page{.title = "Training"};
  for (const std::int64_t one : epoch) page.epochs.push_back(one + 1);
  // The loss comes first, as it does in logs.
  const auto add = [&](const std::string& name, const std::vector<double>& values) {
    report::Curve curve{.name = name};
    for (const std::size_t place : report::places_of(*this, name)) {
      if (place >= epoch.size()) break;
      curve.epochs.push_back(epoch[place] + 1);
      curve.values.push_back(values[curve.values.size()]);
    }
    if (name == "loss" || name == "val_loss") curve.larger_is_better = false;
    page.curves.push_back(std::move(curve));
  };
  const auto is_first = [](const std::string& name) {
    return name == "loss" || name == "val_loss";
  };
  for (const auto& [name, values] : history) {
    if (is_first(name)) add(name, values);
  }
  for (const auto& [name, values] : history) {
    if (!is_first(name) && !name.starts_with("feed_")) add(name, values);
  }
  if (feed.batches > 0) {
    page.feed = feed;
    page.what_if = report::page_what_if(feed);
  }
  page.feed_by_epoch = feed_by_epoch;
  write_file(path, report::html_of(page));
}

}  // namespace stoker

// The page of a training of which only the history is known.
#include <algorithm>

#include "core/atomic_file.h"
#include "report/page.h"
#include "stoker/history.h"

namespace stoker {
namespace {

// A history has no place for an epoch without a value, as every second one where validation_freq is
// 2. Returns the places of `count` values among the epochs: those of the validation_freq that makes
// so many, or else the last ones.
std::vector<std::int64_t> epochs_of(const std::vector<std::int64_t>& epochs, std::size_t count) {
  for (std::int64_t every = 1; every <= static_cast<std::int64_t>(epochs.size()) + 1; ++every) {
    std::vector<std::int64_t> found;
    for (const std::int64_t epoch : epochs) {
      if ((epoch + 1) % every == 0) found.push_back(epoch + 1);
    }
    if (found.size() == count) return found;
    if (found.size() < count) break;
  }
  std::vector<std::int64_t> last;
  const std::size_t first = epochs.size() - std::min(count, epochs.size());
  for (std::size_t i = first; i < epochs.size(); ++i) last.push_back(epochs[i] + 1);
  return last;
}

}  // namespace

void History::save_report(const std::string& path) const {
  report::Page page{.title = "Training"};
  for (const std::int64_t one : epoch) page.epochs.push_back(one + 1);
  // The loss comes first, as it does in logs.
  const auto add = [&](const std::string& name, const std::vector<double>& values) {
    report::Curve curve{.name = name, .epochs = epochs_of(epoch, values.size()), .values = values};
    curve.values.resize(curve.epochs.size());
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

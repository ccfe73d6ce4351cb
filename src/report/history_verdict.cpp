// The verdict on a fit, with a chart of its last epochs.
#include <algorithm>
#include <cstddef>
#include <string>

#include "core/check.h"
#include "core/format.h"
#include "report/chart.h"
#include "report/columns.h"
#include "report/text.h"
#include "stoker/history.h"

namespace stoker {
namespace {

constexpr std::size_t kMostEpochs = 12;
constexpr int kLeastColumns = 20;

// A line for each of the last epochs: its number, how its time divides, and its length. Lines are
// as long as their epochs, so that a slow one is seen.
std::string chart(const History& history, int columns) {
  const std::size_t all = history.feed_by_epoch.size();
  const std::size_t first = all - std::min(all, kMostEpochs);
  double longest = 0.0;
  std::size_t numbers = 0;
  for (std::size_t i = first; i < all; ++i) {
    longest = std::max(longest, history.feed_by_epoch[i].wall);
    numbers = std::max(numbers, std::to_string(history.epoch[i] + 1).size());
  }
  if (!(longest > 0.0)) return "";
  constexpr int kTimes = 8;  // "12.3 ms"
  const int room = std::max(8, columns - static_cast<int>(numbers) - kTimes - 10);
  std::string text =
      "█ computed  ▓ waited for the generator  ▒ for uploads  ░ to be launched  · other\n";
  if (report::columns_of(text) > columns + 1) {
    text = "█ computed  ▓ generator  ▒ upload\n░ launch  · other\n";
  }
  for (std::size_t i = first; i < all; ++i) {
    const FeedReport& epoch = history.feed_by_epoch[i];
    const int length = std::max(1, static_cast<int>(room * epoch.wall / longest + 0.5));
    const std::string number = std::to_string(history.epoch[i] + 1);
    const std::string bar = report::divided({{epoch.computed, "█"},
                                             {epoch.waited_for_generator, "▓"},
                                             {epoch.waited_for_upload, "▒"},
                                             {epoch.waited_for_launch, "░"},
                                             {epoch.other, "·"}},
                                            epoch.wall, length);
    text += format("epoch ", std::string(numbers - number.size(), ' '), number, "  ",
                   report::padded(bar, static_cast<std::size_t>(room)), "  ",
                   report::duration(epoch.wall), "\n");
  }
  return text;
}

}  // namespace

std::string History::verdict(int columns) const {
  check::require("History::verdict", "columns", columns, check::at_least(kLeastColumns));
  return feed.verdict() + chart(*this, columns);
}

}  // namespace stoker

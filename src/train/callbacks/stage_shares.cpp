#include "train/callbacks/stage_shares.h"

#include <algorithm>
#include <iterator>
#include <string>

#include "core/format.h"
#include "report/text.h"

namespace stoker::train {
namespace {

// A stage is stamped when it ends, so that a window has to be longer than a few of them.
constexpr double kWindow = 1.0;
constexpr double kLongestWindow = 10.0;
constexpr double kStagesInWindow = 4.0;
// So many stages of a source are shown, the busiest.
constexpr std::size_t kMostParts = 4;

double seconds(std::int64_t ns) { return 1e-9 * static_cast<double>(ns); }

std::string each(double mean, const char* what) {
  return mean > 0.0 ? report::duration(mean) + what : "";
}

}  // namespace

void StageShares::look(const feed::Feed& feed, std::int64_t now) {
  const TimelineTotals totals = feed.timeline().snapshot();
  Sample sample{.at_ns = now};
  for (std::size_t i = 0; i < kStages; ++i) {
    sample.busy_ns[i] = totals.stages[i].sum_ns;
    sample.count[i] = totals.stages[i].count;
  }
  sample.of_source = feed.source_stages();
  samples_.push_back(std::move(sample));
  while (seconds(now - samples_.front().at_ns) > kLongestWindow) samples_.pop_front();
  workers_ = std::max(1, feed.workers());
  const std::int64_t since = feed.waiting_since_ns();
  waiting_seconds_ = since > 0 ? std::max(0.0, seconds(now - since)) : 0.0;
}

double StageShares::mean(Stage stage) const {
  if (samples_.empty()) return 0.0;
  const auto i = static_cast<std::size_t>(stage);
  const Sample& last = samples_.back();
  return report::ratio(seconds(last.busy_ns[i]), static_cast<double>(last.count[i]));
}

StageShares::Window StageShares::window() const {
  Window window;
  if (samples_.size() < 2) return window;
  const double longest = std::max(mean(Stage::compute), mean(Stage::generate) / workers_);
  const double wanted = std::clamp(kStagesInWindow * longest, kWindow, kLongestWindow);
  const Sample& last = samples_.back();
  auto first = std::prev(samples_.end());
  while (first != samples_.begin() && seconds(last.at_ns - first->at_ns) < wanted) --first;
  window.seconds = seconds(last.at_ns - first->at_ns);
  window.first = &*first;
  window.last = &last;
  for (std::size_t i = 0; i < kStages; ++i) {
    window.busy[i] = seconds(last.busy_ns[i] - first->busy_ns[i]);
    window.count[i] = static_cast<double>(last.count[i] - first->count[i]);
  }
  return window;
}

double StageShares::steps_per_second() const {
  const Window past = window();
  return report::ratio(past.count[static_cast<std::size_t>(Stage::compute)], past.seconds);
}

std::vector<report::StageShare> StageShares::shares() const {
  using report::Style;
  const Window past = window();
  const auto share = [&](double busy) {
    return report::bounded(report::ratio(busy, past.seconds));
  };
  // A wait that is under way, and the call of the generator that it is for, have no stamps yet.
  const double unstamped = std::min(waiting_seconds_, past.seconds);
  const bool is_hanging = waiting_seconds_ > past.seconds;
  const double generated = is_hanging ? 1.0 : share(past[Stage::generate] / workers_);
  const double waited = share(past[Stage::wait_for_generator] + unstamped);
  const bool uploads = mean(Stage::upload) > 0.0;
  std::string waits = uploads ? "the host, for a batch" : "for a batch";
  if (waiting_seconds_ > 1.0) waits += ": " + report::duration(waiting_seconds_) + " by now";
  std::vector<report::StageShare> shares{
      {"generate", generated, each(mean(Stage::generate), " a batch"), Style::magenta}};
  add_stages_of_source(shares);
  shares.push_back({"wait", waited, waits, Style::red});
  shares.push_back({"upload", share(past[Stage::upload]),
                    uploads ? each(mean(Stage::upload), " a batch") : "none: the step reads it",
                    Style::yellow});
  shares.push_back({"compute", share(past[Stage::compute]), each(mean(Stage::compute), " a step"),
                    Style::green});
  return shares;
}

// Adds the busiest stages of the source, in their order: the share of the time of their own
// threads, or of those that ask them.
void StageShares::add_stages_of_source(std::vector<report::StageShare>& shares) const {
  const Window past = window();
  if (past.first == nullptr || past.first->of_source.size() != past.last->of_source.size()) return;
  std::vector<report::StageShare> parts;
  for (std::size_t i = 0; i < past.last->of_source.size(); ++i) {
    const StageReport& now = past.last->of_source[i];
    const double busy = now.busy - past.first->of_source[i].busy;
    const int threads = now.workers > 0 ? now.workers : workers_;
    const double share = report::bounded(report::ratio(busy, past.seconds * threads));
    const std::string detail =
        now.workers == 0
            ? "on the feed's threads"
            : format("on ", now.workers, now.workers == 1 ? " thread" : " threads", " of its own");
    parts.push_back({" " + now.name, share, detail, report::Style::magenta, true});
  }
  while (parts.size() > kMostParts) {
    parts.erase(std::ranges::min_element(parts, {}, &report::StageShare::share));
  }
  std::ranges::move(parts, std::back_inserter(shares));
}

}  // namespace stoker::train

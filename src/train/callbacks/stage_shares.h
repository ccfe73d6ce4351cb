// The shares of the last second or so in which the stages of a feed were busy.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <vector>

#include "core/timeline.h"
#include "feed/feed.h"
#include "report/live_screen.h"

namespace stoker::train {

// Looks at a feed's timeline ten times a second, and compares with what it saw a while before. One
// thread uses it, which need not be the feed's consumer.
class StageShares {
 public:
  void look(const feed::Feed& feed, std::int64_t now_ns);
  // Begins again with the next feed.
  void clear() { samples_.clear(); }

  // Returns the shares, for people, and the steps a second in the same time.
  std::vector<report::StageShare> shares() const;
  double steps_per_second() const;
  // Returns how long the consumer has been waiting for a batch; 0 if it does not.
  double waiting_seconds() const { return waiting_seconds_; }

 private:
  struct Sample {
    std::int64_t at_ns = 0;
    std::array<std::int64_t, kStages> busy_ns{};
    std::array<std::uint64_t, kStages> count{};
    std::vector<StageReport> of_source{};
  };
  // What happened between the sample before the window and the last one.
  struct Window {
    double seconds = 0.0;
    std::array<double, kStages> busy{};
    std::array<double, kStages> count{};
    const Sample* first = nullptr;  // The samples that it lies between.
    const Sample* last = nullptr;
    double operator[](Stage stage) const { return busy[static_cast<std::size_t>(stage)]; }
  };
  Window window() const;
  double mean(Stage stage) const;
  void add_stages_of_source(std::vector<report::StageShare>& shares) const;

  std::deque<Sample> samples_;
  int workers_ = 1;
  double waiting_seconds_ = 0.0;
};

}  // namespace stoker::train

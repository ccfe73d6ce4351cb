// AUTOTUNE over the stages of a Dataset on cores that are made up: every stage makes elements at a
// rate that its threads allow, and the slowest one decides.
#include "data/stage_tuning.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

namespace stoker::data {
namespace {

constexpr std::int64_t kWindowNs = 5'000'000;

class Pipeline {
 public:
  // `costs` are the nanoseconds of an element in each stage, `consumer` those of who takes it.
  Pipeline(std::vector<double> costs, double consumer, int cores)
      : costs_(std::move(costs)), consumer_(consumer), threads_(costs_.size(), 1) {
    left_ = cores - static_cast<int>(threads_.size());
  }
  void set_costs(std::vector<double> costs) { costs_ = std::move(costs); }
  void set_consumer(double cost) { consumer_ = cost; }

  // Lets every stage decide once, as each does when somebody takes a block.
  void decide() {
    const std::vector<StageWindow> windows = measure();
    for (std::size_t i = 0; i < threads_.size(); ++i) {
      const ThreadChange change = change_of_threads(windows[i]);
      if (change == ThreadChange::one_more && left_ > 0) {
        ++threads_[i];
        --left_;
      } else if (change == ThreadChange::one_fewer) {
        --threads_[i];
        ++left_;
      }
    }
  }
  void decide_for(int windows) {
    for (int i = 0; i < windows; ++i) decide();
  }
  const std::vector<int>& threads() const { return threads_; }
  int all_threads() const { return std::accumulate(threads_.begin(), threads_.end(), 0); }
  double rate() const {
    double rate = 1.0 / consumer_;
    for (std::size_t i = 0; i < costs_.size(); ++i) rate = std::min(rate, threads_[i] / costs_[i]);
    return rate;
  }

 private:
  // Threads before the slowest stage wait for room, and those behind it for input.
  std::vector<StageWindow> measure() const {
    const double rate = this->rate();
    std::size_t slowest = costs_.size();  // the consumer
    for (std::size_t i = 0; i < costs_.size(); ++i) {
      if (threads_[i] / costs_[i] == rate) slowest = i;
    }
    std::vector<StageWindow> windows;
    for (std::size_t i = 0; i < costs_.size(); ++i) {
      const double all = static_cast<double>(kWindowNs) * threads_[i];
      const auto idle =
          static_cast<std::int64_t>(all - rate * costs_[i] * static_cast<double>(kWindowNs));
      // Those who take a stage's elements are the threads of the next one, of which one reads.
      const double busy =
          i + 1 < costs_.size() ? rate * costs_[i + 1] / threads_[i + 1] : rate * consumer_;
      const auto waited = static_cast<std::int64_t>((1.0 - busy) * static_cast<double>(kWindowNs));
      windows.push_back({.elapsed_ns = kWindowNs,
                         .threads = threads_[i],
                         .consumer_waited_ns = i >= slowest ? waited : 0,
                         .waited_for_input_ns = i > slowest ? idle : 0,
                         .waited_for_room_ns = i < slowest ? idle : 0});
    }
    return windows;
  }

  std::vector<double> costs_;
  double consumer_;
  std::vector<int> threads_;
  int left_ = 0;
};

// The best rate of any division of the cores among the stages.
double best_rate(const std::vector<double>& costs, int cores) {
  std::vector<int> threads(costs.size(), 1);
  int left = cores - static_cast<int>(costs.size());
  double rate = 0.0;
  for (;;) {
    std::size_t slowest = 0;
    for (std::size_t i = 0; i < costs.size(); ++i) {
      if (threads[i] / costs[i] < threads[slowest] / costs[slowest]) slowest = i;
    }
    rate = threads[slowest] / costs[slowest];
    if (left-- <= 0) return rate;
    ++threads[slowest];
  }
}

TEST(StageTuning, divides_eight_cores_so_that_no_other_division_is_faster) {
  for (const std::vector<double>& costs :
       {std::vector<double>{100, 100}, std::vector<double>{100, 700}, std::vector<double>{700, 100},
        std::vector<double>{100, 200, 400}, std::vector<double>{400, 100, 100, 300},
        std::vector<double>{50, 1000, 50, 1000}}) {
    Pipeline pipeline(costs, 1.0, 8);
    pipeline.decide_for(40);
    EXPECT_LE(pipeline.all_threads(), 8);
    EXPECT_NEAR(pipeline.rate() / best_rate(costs, 8), 1.0, 1e-9)
        << costs.size() << " stages, the first of " << costs[0];
  }
}

TEST(StageTuning, never_takes_more_threads_than_there_are_cores) {
  for (const int cores : {2, 3, 4, 8, 64}) {
    Pipeline pipeline({300, 200}, 1.0, cores);
    for (int i = 0; i < 200; ++i) {
      pipeline.decide();
      ASSERT_LE(pipeline.all_threads(), cores);
    }
  }
}

TEST(StageTuning, gives_threads_to_the_stage_that_became_slow) {
  Pipeline pipeline({100, 800}, 1.0, 8);
  pipeline.decide_for(20);
  EXPECT_EQ(pipeline.threads(), (std::vector<int>{1, 7}));
  pipeline.set_costs({800, 100});
  pipeline.decide_for(60);
  EXPECT_GE(pipeline.threads()[0], 6);
  pipeline.set_costs({100, 800});
  pipeline.decide_for(60);
  EXPECT_GE(pipeline.threads()[1], 6);
}

TEST(StageTuning, comes_to_rest) {
  for (const double consumer : {1.0, 60.0, 130.0, 1000.0}) {
    Pipeline pipeline({100, 250, 400}, consumer, 8);
    pipeline.decide_for(60);
    const std::vector<int> threads = pipeline.threads();
    for (int i = 0; i < 20; ++i) {
      pipeline.decide();
      EXPECT_EQ(pipeline.threads(), threads) << "consumer " << consumer << ", decision " << i;
    }
  }
}

TEST(StageTuning, a_consumer_that_is_slower_leaves_stages_few_threads) {
  Pipeline pipeline({100, 400}, 1.0, 8);
  pipeline.decide_for(20);
  pipeline.set_consumer(1000.0);
  pipeline.decide_for(60);
  EXPECT_LE(pipeline.all_threads(), 3);
  EXPECT_NEAR(pipeline.rate(), 1.0 / 1000.0, 1e-12) << "and loses nothing";
}

}  // namespace
}  // namespace stoker::data

// A pass through a Dataset, and what its stages tell of it: failures that were passed over, and how
// much each stage did. Programs include stoker/dataset.h.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "stoker/dataset_options.h"
#include "stoker/failures.h"
#include "stoker/random.h"
#include "stoker/source.h"

namespace stoker::detail {

class StageBase;

// What one stage has done. Threads add without locks; each counter has a cache line of its own.
struct alignas(64) StageCounter {
  std::atomic<std::int64_t> elements{0};
  std::atomic<std::int64_t> missing_bytes{0};  // by which short batches are smaller
  // Clocks run for a sample only.
  std::atomic<std::int64_t> timed_elements{0};
  std::atomic<std::int64_t> timed_ns{0};
  // The stage's own threads.
  std::atomic<std::int64_t> waited_for_input_ns{0};
  std::atomic<std::int64_t> waited_for_room_ns{0};
  std::atomic<std::int64_t> asked{0};
  std::atomic<std::int64_t> ready{0};
  std::atomic<int> workers{0};
  std::atomic<bool> is_tuned{false};
  bool may_be_short = false;  // StageBase::may_be_short(), which is asked once
};

// The counters of all stages of a pipeline, numbered from the first to the last.
class StageStats {
 public:
  explicit StageStats(const StageBase& last);
  ~StageStats();
  StageStats(const StageStats&) = delete;
  StageStats& operator=(const StageStats&) = delete;

  StageCounter& of(std::uint32_t stage) { return counters_[stage < count_ ? stage : count_ - 1]; }
  std::vector<StageReport> report() const;

 private:
  struct Described {
    std::string name;
    std::int64_t element_bytes = 0;
    bool may_be_short = false;
    int threads = 0;
  };
  void describe(const StageBase& stage);

  std::uint32_t count_ = 0;
  std::unique_ptr<StageCounter[]> counters_;
  std::vector<Described> described_;
};

// Tells the stages' own work apart on one thread: whichever stage was entered last is charged with
// the time. Stages that are nested too deep are charged to the one that they are in.
class StageClock {
 public:
  bool is_running() const { return running_; }
  void start();
  void stop() { running_ = false; }
  void enter(StageCounter* stage);
  void leave();
  // Returns how many times the clock was read since it was started, and the nanoseconds until the
  // last time.
  std::int64_t readings() const { return readings_; }
  std::int64_t elapsed() const { return last_ - started_; }

 private:
  static constexpr std::size_t kMostNested = 48;
  void charge();

  bool running_ = false;
  std::size_t depth_ = 0;
  std::int64_t started_ = 0;
  std::int64_t last_ = 0;
  std::int64_t readings_ = 0;
  std::array<StageCounter*, kMostNested> stages_;  // of which the first `depth_` ones are set
};

// Charges a stage with the time of a block of code, if there is a clock and it runs.
class ClockScope {
 public:
  ClockScope(StageClock* clock, StageCounter* stage)
      : clock_(clock != nullptr && clock->is_running() ? clock : nullptr) {
    if (clock_ != nullptr) clock_->enter(stage);
  }
  ~ClockScope() {
    if (clock_ != nullptr) clock_->leave();
  }
  ClockScope(const ClockScope&) = delete;
  ClockScope& operator=(const ClockScope&) = delete;

 private:
  StageClock* const clock_;
};

// Chooses which batches, or blocks, the clock runs for, so that reading it takes less than a
// hundredth of the time. Any thread may call it.
class ClockSample {
 public:
  bool wants() { return left_.fetch_sub(1, std::memory_order_relaxed) <= 0; }
  // Ends a sample. The clock may have been left out.
  void has_taken(StageClock& clock);
  // Says how often clocks were read for a sample, and the nanoseconds that it took.
  void has_taken(std::int64_t readings, std::int64_t ns);

 private:
  std::atomic<std::int64_t> left_{1};
};

// How many elements each stage of a pass has passed over, where they come one after another.
class Skipped {
 public:
  std::int64_t of(std::uint32_t stage) const;
  void add(const Failures& failures);
  void clear() { stages_.clear(); }
  // For Source::save_state() and load_state(), which throws DataError for bytes that save() did not
  // write.
  void save(std::vector<std::byte>& state) const;
  void load(std::span<const std::byte> state);

 private:
  struct OfStage {
    std::uint32_t stage = 0;
    std::int64_t count = 0;
  };
  std::vector<OfStage> stages_;
};

// The threads that AUTOTUNE may still start, in all stages of a pipeline together.
class ThreadBudget {
 public:
  ThreadBudget();  // as many as there are cores
  bool take();
  // Takes one also if none is left, for a stage that would have no thread otherwise.
  void take_first() { left_.fetch_sub(1, std::memory_order_relaxed); }
  void give_back() { left_.fetch_add(1, std::memory_order_relaxed); }

 private:
  std::atomic<int> left_;
};

// One pass through a data set. Everything random in it is a function of the seed, the epoch, of the
// stage, and of the element's number. The pointers are those of the thread that makes the elements,
// and may be null.
struct Pass {
  std::uint64_t seed = 0;
  std::int64_t epoch = 0;
  // What is added to a stage's number, so that all stages of a pipeline with branches have numbers
  // of their own. The stages of a data set that interleave opened all count as the interleave.
  std::uint32_t base = 0;
  bool is_within = false;
  Failures* failures = nullptr;      // without it nothing is passed over
  const Skipped* skipped = nullptr;  // what was passed over before the element that it begins with
  StageStats* stats = nullptr;
  StageClock* clock = nullptr;
  ThreadBudget* budget = nullptr;
  std::int64_t* waited_ns = nullptr;  // for elements that threads of other stages make
};

// Returns the pass of a branch, which draws other random numbers than its neighbours at the same
// depth. The stages of the branch are numbered from `stages` on.
inline Pass branch_of(const Pass& pass, std::int64_t branch, std::uint32_t stages = 0) {
  Pass other = pass;
  other.seed += static_cast<std::uint64_t>(branch) * 0xd1342543de82ef95U;
  if (!pass.is_within) other.base += stages;
  other.skipped = nullptr;
  return other;
}
// Returns the pass for stages that must begin with their first element, whatever was passed over.
inline Pass from_the_start(const Pass& pass) {
  Pass other = pass;
  other.skipped = nullptr;
  return other;
}

Random element_random(const Pass& pass, std::uint32_t stage, std::int64_t ordinal);

// ---- Elements that fail ----
// What a stage does with an element for which the program's function throws.
struct ErrorPolicy {
  OnError on_error = OnError::stop;
  std::int64_t most = kMaxFailures;
  bool skips() const { return on_error == OnError::skip; }
};
// Throws ValueError for a negative number.
ErrorPolicy error_policy(OnError on_error, std::int64_t max_failures, const char* where);

// The caller handles an exception. Counts it as a failure of the stage, or rethrows it if it must
// not be passed over: Interrupted, std::bad_alloc, or where nobody counts. Throws a DataError if
// there are too many.
void pass_over(const Pass& pass, const StageBase& stage, const ErrorPolicy& policy);

// The elements that may stand in for number `index` of `count`: functions of the seed, the epoch,
// the stage and the number alone.
class Substitutes {
 public:
  Substitutes(const Pass& pass, const StageBase& stage, std::int64_t index, std::int64_t count);
  // Returns the next one. Throws a DataError, in which `first` is nested, after 8 of them.
  std::int64_t next();

 private:
  const StageBase& stage_;
  const std::int64_t index_;
  const std::int64_t count_;
  Random random_;
  int tried_ = 0;
  std::exception_ptr first_;
};

// Calls attempt(), and returns false if it failed and that is passed over.
template <class Attempt>
bool succeeds(const Pass& pass, const StageBase& stage, const ErrorPolicy& policy,
              Attempt&& attempt) {
  if (!policy.skips()) {
    attempt();
    return true;
  }
  try {
    attempt();
    return true;
  } catch (...) {
    pass_over(pass, stage, policy);
    return false;
  }
}

}  // namespace stoker::detail

// What the stages of a pass tell: how much they did, and which elements failed.
#include "stoker/detail/dataset_pass.h"

#include <algorithm>
#include <exception>
#include <new>
#include <string>
#include <thread>

#include "core/format.h"
#include "core/timeline.h"
#include "stoker/detail/dataset_core.h"
#include "stoker/error.h"
#include "stoker/source_state.h"

namespace stoker::detail {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;

// Returns the nanoseconds that one reading of the clock takes.
std::int64_t cost_of_reading() {
  static const std::int64_t cost = [] {
    constexpr int kReadings = 256;
    const std::int64_t begin = now_ns();
    std::int64_t end = begin;
    for (int i = 0; i < kReadings; ++i) end = now_ns();
    return std::max<std::int64_t>(1, (end - begin) / kReadings);
  }();
  return cost;
}

double seconds(std::int64_t ns) { return static_cast<double>(ns) * 1e-9; }

}  // namespace

// ---- Counters ----
StageStats::StageStats(const StageBase& last) {
  describe(last);
  // Several stages of a kind are told apart by their number among these.
  for (std::size_t i = 0; i < described_.size(); ++i) {
    const std::string name = described_[i].name;
    int count = 0;
    for (const Described& other : described_) count += other.name == name ? 1 : 0;
    if (count < 2) continue;
    int place = 0;
    for (std::size_t other = i; other < described_.size(); ++other) {
      if (described_[other].name == name) described_[other].name += format(" ", ++place);
    }
  }
  count_ = static_cast<std::uint32_t>(described_.size());
  counters_ = std::make_unique<StageCounter[]>(count_);
  for (std::uint32_t i = 0; i < count_; ++i) {
    counters_[i].may_be_short = described_[i].may_be_short;
    // Until they run, the threads are those that the stage will begin with.
    const int threads = described_[i].threads;
    counters_[i].is_tuned.store(threads == AUTOTUNE, kRelaxed);
    counters_[i].workers.store(threads == AUTOTUNE ? 1 : threads, kRelaxed);
  }
}
StageStats::~StageStats() = default;

void StageStats::describe(const StageBase& stage) {
  for (const StageBase* input : stage.inputs()) describe(*input);
  described_.push_back(
      {stage.name(), stage.element_bytes(), stage.may_be_short(), stage.threads()});
}

std::vector<StageReport> StageStats::report() const {
  std::vector<StageReport> reports;
  reports.reserve(count_);
  for (std::uint32_t i = 0; i < count_; ++i) {
    const StageCounter& counter = counters_[i];
    const std::int64_t elements = counter.elements.load(kRelaxed);
    const std::int64_t timed = counter.timed_elements.load(kRelaxed);
    const double scale =
        timed > 0 ? static_cast<double>(elements) / static_cast<double>(timed) : 0.0;
    const std::int64_t bytes =
        elements * described_[i].element_bytes - counter.missing_bytes.load(kRelaxed);
    reports.push_back({.name = described_[i].name,
                       .elements = elements,
                       .bytes = static_cast<std::uint64_t>(std::max<std::int64_t>(0, bytes)),
                       .busy = scale * seconds(counter.timed_ns.load(kRelaxed)),
                       .waited_for_input = seconds(counter.waited_for_input_ns.load(kRelaxed)),
                       .waited_for_room = seconds(counter.waited_for_room_ns.load(kRelaxed)),
                       .workers = counter.workers.load(kRelaxed),
                       .is_tuned = counter.is_tuned.load(kRelaxed),
                       .asked = counter.asked.load(kRelaxed),
                       .ready = counter.ready.load(kRelaxed)});
  }
  return reports;
}

// ---- Clocks ----
void StageClock::start() {
  running_ = true;
  depth_ = 0;
  readings_ = 0;
  started_ = last_ = now_ns();
}

void StageClock::charge() {
  const std::int64_t now = now_ns();
  ++readings_;
  if (depth_ > 0) {
    StageCounter* const stage = stages_[std::min(depth_, kMostNested) - 1];
    const std::int64_t own = now - last_ - cost_of_reading();
    if (stage != nullptr && own > 0) stage->timed_ns.fetch_add(own, kRelaxed);
  }
  last_ = now;
}

void StageClock::enter(StageCounter* stage) {
  charge();
  if (depth_ < kMostNested) stages_[depth_] = stage;
  ++depth_;
}

void StageClock::leave() {
  charge();
  --depth_;
}

void ClockSample::has_taken(StageClock& clock) {
  if (!clock.is_running()) return;
  clock.stop();
  has_taken(clock.readings(), clock.elapsed());
}

void ClockSample::has_taken(std::int64_t readings, std::int64_t ns) {
  constexpr std::int64_t kShare = 100;  // the clock may take this part of the time
  constexpr std::int64_t kMostLeftOut = 10000;
  const std::int64_t reading = readings * cost_of_reading();
  const std::int64_t work = std::max<std::int64_t>(1, ns - reading);
  left_.store(std::clamp<std::int64_t>(kShare * reading / work, 0, kMostLeftOut), kRelaxed);
}

// ---- Threads ----
ThreadBudget::ThreadBudget()
    : left_(std::max(1, static_cast<int>(std::thread::hardware_concurrency()))) {}

bool ThreadBudget::take() {
  if (left_.fetch_sub(1, kRelaxed) > 0) return true;
  left_.fetch_add(1, kRelaxed);
  return false;
}

// ---- Failures ----
std::int64_t Skipped::of(std::uint32_t stage) const {
  for (const OfStage& known : stages_) {
    if (known.stage == stage) return known.count;
  }
  return 0;
}

void Skipped::add(const Failures& failures) {
  for (const Failures::OfStage& other : failures.stages()) {
    const auto known = std::ranges::find(stages_, other.stage, &OfStage::stage);
    if (known != stages_.end()) {
      known->count += other.count;
    } else {
      stages_.push_back({other.stage, other.count});
    }
  }
}

void Skipped::save(std::vector<std::byte>& state) const {
  put_state(state, static_cast<std::uint32_t>(stages_.size()));
  for (const OfStage& stage : stages_) {
    put_state(state, stage.stage);
    put_state(state, stage.count);
  }
}

void Skipped::load(std::span<const std::byte> state) {
  stages_.clear();
  auto left = take_state<std::uint32_t>(state);
  for (; left > 0; --left) {
    OfStage stage;
    stage.stage = take_state<std::uint32_t>(state);
    stage.count = take_state<std::int64_t>(state);
    if (stage.count < 0) {
      throw DataError(
          format("Dataset: expected a state with numbers of elements, received ", stage.count));
    }
    stages_.push_back(stage);
  }
}

ErrorPolicy error_policy(OnError on_error, std::int64_t max_failures, const char* where) {
  if (max_failures < 0) {
    throw ValueError(format("Dataset::", where, ": expected max_failures of at least 0, received ",
                            max_failures));
  }
  return {on_error, max_failures};
}

namespace {

// Returns whether the exception is one that no stage passes over, or nests one.
bool must_stop(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const Interrupted&) {
    return true;
  } catch (const std::bad_alloc&) {
    return true;
  } catch (const std::exception& outer) {
    try {
      std::rethrow_if_nested(outer);
    } catch (...) {
      return must_stop(std::current_exception());
    }
  } catch (...) {
  }
  return false;
}

}  // namespace

void pass_over(const Pass& pass, const StageBase& stage, const ErrorPolicy& policy) {
  if (pass.failures == nullptr || must_stop(std::current_exception())) throw;
  pass.failures->add(stage.number_in(pass), policy.most);
  pass.failures->check();
}

Substitutes::Substitutes(const Pass& pass, const StageBase& stage, std::int64_t index,
                         std::int64_t count)
    : stage_(stage), index_(index), count_(count), first_(std::current_exception()) {
  // The stage's own numbers for the element belong to the program's function.
  constexpr std::uint32_t kOfSubstitutes = 0x80000000U;
  random_ = element_random(pass, stage.depth() | kOfSubstitutes, index);
}

std::int64_t Substitutes::next() {
  constexpr int kMostTries = 8;
  if (count_ == 1 || tried_ == kMostTries) {
    try {
      std::rethrow_exception(first_);
    } catch (const std::exception& error) {
      std::throw_with_nested(DataError(
          format("Dataset, ", stage_.name(), ", element ", index_, ": expected one of ", tried_,
                 " substitutes to be good, received errors for all. The first error was: ",
                 error.what())));
    } catch (...) {
      std::throw_with_nested(
          DataError(format("Dataset, ", stage_.name(), ", element ", index_, ": expected one of ",
                           tried_, " substitutes to be good, received errors")));
    }
  }
  ++tried_;
  if (count_ < 0) {
    // There is no end, so that any number may be asked for.
    constexpr std::int64_t kNear = std::int64_t{1} << 20;
    return sum_of(index_, random_.integer(1, kNear));
  }
  const std::int64_t other = random_.integer(0, count_ - 1);
  return other < index_ ? other : other + 1;
}

}  // namespace stoker::detail

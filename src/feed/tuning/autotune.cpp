#include "feed/tuning/autotune.h"

#include <algorithm>

#include "feed/ring/sizes.h"

namespace stoker::feed {
namespace {

// A window of measurement is long enough to mean something and short enough to adapt within an
// epoch.
constexpr std::int64_t kWindowNs = 100'000'000;
constexpr std::int64_t kFirstWindowNs = 10'000'000;
constexpr std::uint64_t kWindowBatches = 4;
// While nothing changes, windows become up to eight times as long: deciding takes a few
// milliseconds.
constexpr int kMostDoublings = 3;
// A queue deeper than this needs a reason; a shallower one saves nothing worthwhile.
constexpr int kFewestSlots = 7;
// Fewer workers or slots are preferred when they cost no more than this.
constexpr double kTolerance = 1.01;
// More workers are kept only if they lower the time of a batch to this share of it or less, since
// they take cores from the step.
constexpr double kWorthwhile = 0.98;
// If cores are busy for more than this share of their time, they are what everything waits for.
constexpr double kCoresAreBusy = 0.7;
// If the cores are busy for more than this share, another worker could only run on the step's
// cores. The little that it could bring is not worth the trial.
constexpr double kNoCoreLeft = 0.85;
// A step on the same cores that waits for less than this share of its time has batches enough.
constexpr double kWaitsLittle = 0.03;
constexpr int kWindowsOfCeiling = 50;

double seconds(std::int64_t ns) { return 1e-9 * static_cast<double>(ns); }

}  // namespace

Autotune::Autotune(const TuneLimits& limits, const Choice& start, const Measured& begin)
    : limits_(limits), choice_(start), begin_(begin), ceiling_(limits.max_workers) {}

bool Autotune::is_due(std::uint64_t batches, std::int64_t training_ns) const {
  return batches >= begin_.batches + kWindowBatches &&
         training_ns >=
             begin_.training_ns + (windows_ == 0 ? kFirstWindowNs : kWindowNs << unchanged_);
}

std::optional<Autotune::Choice> Autotune::decide(const Measured& measured) {
  Measured window;
  window.batches = measured.batches - begin_.batches;
  window.training_ns = measured.training_ns - begin_.training_ns;
  window.cpu_ns = measured.cpu_ns - begin_.cpu_ns;
  window.waited_ns = measured.waited_ns - begin_.waited_ns;
  window.cpu_share = measured.cpu_share;
  window.core_share = measured.core_share;
  window.durations = {measured.durations.generate - begin_.durations.generate,
                      measured.durations.upload - begin_.durations.upload,
                      measured.durations.step - begin_.durations.step, measured.durations.host};
  begin_ = measured;
  ++windows_;
  // While the ring is full, workers do not fill, and the times that they took before still hold.
  if (window.durations.generate.count() == 0)
    window.durations.generate = measured.durations.generate;
  if (window.durations.step.count() == 0 || window.durations.generate.count() == 0) {
    return std::nullopt;
  }

  const double took = seconds(window.training_ns) / static_cast<double>(window.batches);
  // A window in which the ring fills on busy cores is not comparable with later ones.
  if (limits_.device_slots == 0 && windows_ == 1 && busy(window) > kCoresAreBusy) {
    return std::nullopt;
  }
  if (before_ && choice_.workers > before_->workers && took > kWorthwhile * seconds_before_) {
    ceiling_ = before_->workers;
    ceiling_until_ = windows_ + kWindowsOfCeiling;
    choice_ = *before_;
    before_.reset();
    return choice_;
  }
  if (windows_ > ceiling_until_) ceiling_ = limits_.max_workers;
  const Choice better = best(window);
  if (better == choice_) {
    before_.reset();
    unchanged_ = std::min(unchanged_ + 1, kMostDoublings);
    return std::nullopt;
  }
  unchanged_ = 0;
  before_ = choice_;
  seconds_before_ = took;
  choice_ = better;
  return choice_;
}

// Returns the share of the cores' time that this process used.
double Autotune::busy(const Measured& window) const {
  return seconds(window.cpu_ns) / (limits_.cores * seconds(window.training_ns));
}

int Autotune::slots_for(int workers) const {
  if (limits_.tune_slots) return limits_.max_slots;
  return std::min(slots_for_workers(workers, limits_.queued, limits_.device_slots),
                  limits_.max_slots);
}

Autotune::Choice Autotune::best(const Measured& window) const {
  Arrangement arrangement{
      .workers = choice_.workers,
      .ring_slots = choice_.slots,
      .device_slots = limits_.device_slots,
      .cpu_seconds = seconds(window.cpu_ns) / static_cast<double>(window.batches),
      .cores = limits_.cores};
  const double call = window.durations.generate.mean();
  const auto call_with = [&](int workers) {
    return seconds_per_call(call * window.cpu_share, call * (1.0 - window.core_share), workers,
                            limits_.cores);
  };
  const double call_now = call_with(choice_.workers);
  const auto takes = [&](int workers, int slots) {
    arrangement.generate_scale = call_now > 0.0 ? call_with(workers) / call_now : 1.0;
    arrangement.workers = workers;
    arrangement.ring_slots = slots;
    return seconds_per_batch(window.durations, arrangement);
  };
  Choice best = choice_;
  if (limits_.tune_workers) {
    const int most = std::min(ceiling_, limits_.max_workers);
    best.workers = fewest_workers(1, most, kTolerance,
                                  [&](int workers) { return takes(workers, slots_for(workers)); });
    // Workers on the step's own cores yield to it, so that their batches take long only because
    // they can wait. More workers would only interrupt more of the step's threads.
    const double waited = seconds(window.waited_ns) / seconds(window.training_ns);
    if (limits_.device_slots == 0 && (waited < kWaitsLittle || busy(window) > kNoCoreLeft)) {
      best.workers = std::min(best.workers, choice_.workers);
    }
  }
  best.slots = slots_for(best.workers);
  if (limits_.tune_slots) {
    const double fastest = takes(best.workers, limits_.max_slots);
    best.slots = limits_.max_slots;
    const int fewest = std::max(kFewestSlots, best.workers + 2);
    for (int slots = std::min(fewest, limits_.max_slots); slots < limits_.max_slots; slots *= 2) {
      if (takes(best.workers, slots) > kTolerance * fastest) continue;
      best.slots = slots;
      break;
    }
  }
  return best;
}

}  // namespace stoker::feed

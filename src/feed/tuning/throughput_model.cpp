#include "feed/tuning/throughput_model.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "stoker/random.h"

namespace stoker::feed {
namespace {

constexpr std::size_t kBatches = 2048;
constexpr std::size_t kWarmUp = 512;  // batches until the ring has filled or run empty

// Draws durations from their measured distribution, to the width of a bucket; their mean is exact.
class Sampler {
 public:
  Sampler(const DurationHistogram& measured, std::uint32_t stream) : random_(0, stream) {
    if (measured.count() == 0) return;
    double sum = 0.0;
    for (std::size_t i = 0; i < kQuantiles; ++i) {
      values_[i] = measured.quantile((static_cast<double>(i) + 0.5) / kQuantiles);
      sum += values_[i];
    }
    const double scale = sum > 0.0 ? measured.mean() * kQuantiles / sum : 0.0;
    for (double& value : values_) value *= scale;
  }
  double draw() { return values_[random_.word() % kQuantiles]; }

 private:
  static constexpr std::size_t kQuantiles = 128;
  std::array<double, kQuantiles> values_{};
  Random random_;
};

}  // namespace

double seconds_per_call(double computes, double waits, int workers, double cores) {
  if (computes <= 0.0 || workers <= 0) return computes + waits;
  if (waits <= 0.0) return computes * std::max(1.0, workers / cores);
  // The probability that so many calls compute, up to a common factor. It leads to the average
  // number of busy cores.
  double probability = 1.0;
  double all = 1.0;
  double busy = 0.0;
  for (int computing = 1; computing <= workers; ++computing) {
    const double used = std::min<double>(computing, cores);
    probability *= (workers - computing + 1) / waits * computes / used;
    all += probability;
    busy += probability * used;
    if (all > 1e200) {
      probability /= all;
      busy /= all;
      all = 1.0;
    }
  }
  return workers * computes * all / busy;
}

SteadyState steady_state(const StageDurations& durations, const Arrangement& arrangement) {
  Sampler generate(durations.generate, 0);
  Sampler upload(durations.upload, 1);
  Sampler step(durations.step, 2);
  const auto ring = static_cast<std::size_t>(std::max(arrangement.ring_slots, 1));
  const auto slots = static_cast<std::size_t>(std::max(arrangement.device_slots, 0));

  // The times at which workers become free, as a heap with the earliest first.
  std::vector<double> worker_free(static_cast<std::size_t>(std::max(arrangement.workers, 1)), 0.0);
  std::vector<double> slot_free(ring, 0.0);
  std::vector<double> stepped(std::max<std::size_t>(slots, 1), 0.0);
  double claimed = 0.0;  // batches are claimed in order
  double host = 0.0;
  double uploaded = 0.0;
  double step_end = 0.0;
  double warm = 0.0;
  SteadyState state;
  for (std::size_t n = 0; n < kBatches; ++n) {
    std::ranges::pop_heap(worker_free, std::greater<>());
    claimed = std::max({claimed, worker_free.back(), slot_free[n % ring]});
    const double filled = claimed + arrangement.generate_scale * generate.draw();
    worker_free.back() = filled;
    std::ranges::push_heap(worker_free, std::greater<>());
    const double before = step_end;
    if (slots == 0) {
      host = uploaded = std::max(step_end, filled) + durations.host;
      step_end = host + arrangement.step_scale * step.draw();
      slot_free[n % ring] = step_end;
    } else {
      host = std::max(host, filled) + durations.host;
      uploaded =
          std::max({uploaded, host, stepped[n % slots]}) + arrangement.upload_scale * upload.draw();
      slot_free[n % ring] = uploaded;
      step_end = std::max(step_end, uploaded) + arrangement.step_scale * step.draw();
      stepped[n % slots] = step_end;
    }
    if (n + 1 == kWarmUp) warm = step_end;
    if (n < kWarmUp) continue;
    // The step could have begun before. The earliest stage that was late is why it did not, since
    // what follows that one could only be late too.
    const double idle = std::max(0.0, uploaded - before);
    if (filled > before) {
      state.waited_for_generator += idle;
    } else if (host > before) {
      state.waited_for_launch += idle;
    } else {
      state.waited_for_upload += idle;
    }
  }
  constexpr double kShare = 1.0 / static_cast<double>(kBatches - kWarmUp);
  state.waited_for_generator *= kShare;
  state.waited_for_launch *= kShare;
  state.waited_for_upload *= kShare;
  const double cores = arrangement.cpu_seconds / std::max(arrangement.cores, 1.0);
  state.seconds_per_batch = (step_end - warm) * kShare;
  state.is_limited_by_cores = cores > state.seconds_per_batch;
  state.seconds_per_batch = std::max(state.seconds_per_batch, cores);
  return state;
}

}  // namespace stoker::feed

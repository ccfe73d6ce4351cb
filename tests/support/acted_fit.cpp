#include "support/acted_fit.h"

#include <algorithm>
#include <deque>
#include <limits>
#include <optional>
#include <vector>

#include "feed/ring/sizes.h"
#include "feed/ring/slot_layout.h"
#include "feed/tuning/autotune.h"
#include "feed/upload/device_time.h"
#include "stoker/random.h"

namespace stoker::test {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();
constexpr double kEarly = 1e-12;  // what is closer is now

std::int64_t ns(double seconds) { return static_cast<std::int64_t>(1e9 * seconds + 0.5); }

class Act {
 public:
  Act(const Work& work, const Setting& setting) : work_(work), setting_(setting) {
    const int most = setting.tunes ? setting.max_workers : setting.workers;
    const int active = setting.tunes ? (setting.on_cpu ? 1 : std::min(most, 8)) : setting.workers;
    const int device_slots = setting.on_cpu ? 0 : feed::kDeviceSlots;
    size_ = feed::slots_for_workers(most, setting.queue, device_slots);
    depth_ = feed::slots_for_workers(active, setting.queue, device_slots);
    active_ = active;
    workers_.resize(static_cast<std::size_t>(most));
    batches_.resize(static_cast<std::size_t>(setting.batches));
    if (setting.tunes) {
      autotune_.emplace(feed::TuneLimits{.max_workers = most,
                                         .max_slots = size_,
                                         .queued = setting.queue,
                                         .tune_workers = true,
                                         .device_slots = setting.on_cpu ? 0 : feed::kDeviceSlots,
                                         .cores = setting.cores},
                        feed::Autotune::Choice{.workers = active, .slots = depth_},
                        feed::Autotune::Measured{});
    }
  }

  FeedReport run() {
    while (stepped_ < setting_.batches) {
      while (start_what_can_start()) {
      }
      advance(next_event());
    }
    return report_;
  }

 private:
  struct Batch {
    double filled = kNever;
    double issued = 0.0;
    double launched = 0.0;
    double uploaded = kNever;
    double stepped = kNever;
  };
  // The time that is left is divided into waiting, which comes first, and computing.
  struct Fill {
    std::int64_t batch = -1;  // none
    double begin = 0.0;
    double wait = 0.0;
    double cpu = 0.0;
    double computed = 0.0;  // of that, so far
    double waited = 0.0;    // when the waiting was over
  };

  // A duration with its jitter: the same for a batch in every setting.
  double drawn(double mean, std::int64_t batch, std::uint32_t stream) const {
    Random random(7, stream, static_cast<std::uint32_t>(batch));
    return mean * (1.0 + work_.jitter * static_cast<double>(random.uniform(-1.0f, 1.0f)));
  }
  Batch& at(std::int64_t batch) { return batches_[static_cast<std::size_t>(batch)]; }
  bool counts(std::int64_t batch) const { return 2 * batch >= setting_.batches; }

  // ---- What starts ----
  bool start_what_can_start() {
    return start_fill() || (setting_.on_cpu ? start_step_on_cpu() : start_on_device());
  }

  bool start_fill() {
    if (claimed_ == setting_.batches || claimed_ >= freed_ + depth_) return false;
    const auto active = workers_.begin() + active_;
    const auto idle =
        std::find_if(workers_.begin(), active, [](const Fill& f) { return f.batch < 0; });
    if (idle == active) return false;
    Random random(7, 9, static_cast<std::uint32_t>(claimed_));
    const bool late = random.uniform() < static_cast<float>(work_.late_share);
    const double all = drawn(work_.generate, claimed_, 1) * (late ? work_.late_factor : 1.0);
    *idle = {claimed_++, now_, all * (1.0 - work_.cpu_share), all * work_.cpu_share, 0.0, now_};
    return true;
  }

  bool start_step_on_cpu() {
    if (in_step_ || taken_ == setting_.batches) return false;
    if (at(taken_).filled > now_ + kEarly || waits_for_run()) {
      if (!waiting_since_) {
        waiting_since_ = now_;
        ready_ = 0;
      }
      return false;
    }
    take();
    const double waited = waiting_since_ ? now_ - *waiting_since_ : 0.0;
    awaited_ = waited > 0.0;
    waiting_since_.reset();
    if (counts(taken_)) {
      report_.waited_for_generator += waited;
      if (awaited_) report_.wait_for_generator.add(ns(waited));
    }
    waited_in_all_ += waited;
    in_step_ = true;
    step_begin_ = now_;
    step_left_ = drawn(work_.step, taken_, 2) * (awaited_ ? 1.0 + work_.cold : 1.0);
    ++taken_;
    return true;
  }

  // As the feed lets steps of three batches follow each other now and then.
  bool waits_for_run() {
    if (depth_ <= 3 || taken_ < next_run_ || taken_ + 3 > setting_.batches || !waiting_since_)
      return false;
    if (at(taken_ + 2).filled > now_ + kEarly) return true;
    next_run_ = taken_ + 16;
    return false;
  }

  bool start_on_device() {
    bool started = false;
    if (taken_ < setting_.batches && now_ + kEarly >= host_free_ && can_issue()) {
      take();
      Batch& batch = at(taken_);
      batch.issued = now_;
      batch.launched = host_free_ = now_ + work_.launch;
      ++taken_;
      started = true;
    }
    if (uploading_ < taken_ && upload_end_ == kNever &&
        (uploading_ < feed::kDeviceSlots ||
         at(uploading_ - feed::kDeviceSlots).stepped <= now_ + kEarly)) {
      upload_end_ = now_ + drawn(work_.upload, uploading_, 3);
      started = true;
    }
    if (stepped_ < taken_ && step_end_ == kNever && at(stepped_).uploaded <= now_ + kEarly &&
        at(stepped_).launched <= now_ + kEarly) {
      step_end_ = now_ + drawn(work_.step, stepped_, 2);
      started = true;
    }
    return started;
  }
  bool can_issue() { return at(taken_).filled <= now_ + kEarly; }

  // ---- What is next, and what it brings ----
  // Every thread that computes has the same share of the cores.
  double core_share() const {
    double threads = in_step_ ? setting_.step_threads : 0.0;
    for (const Fill& fill : workers_) threads += fill.batch >= 0 && fill.wait <= 0.0 ? 1.0 : 0.0;
    return threads > setting_.cores ? setting_.cores / threads : 1.0;
  }

  double next_event() {
    const double share = core_share();
    double next = std::min(upload_end_, step_end_);
    if (!setting_.on_cpu && taken_ < setting_.batches && host_free_ > now_ + kEarly) {
      next = std::min(next, host_free_);
    }
    for (std::int64_t n = stepped_; n < taken_ && !setting_.on_cpu; ++n) {
      if (at(n).launched > now_ + kEarly) next = std::min(next, at(n).launched);
    }
    if (in_step_) next = std::min(next, now_ + step_left_ / share);
    for (const Fill& fill : workers_) {
      if (fill.batch < 0) continue;
      next = std::min(next, now_ + (fill.wait > 0.0 ? fill.wait : fill.cpu / share));
    }
    return next;
  }

  void advance(double to) {
    const double share = core_share();
    const double passed = to - now_;
    now_ = to;
    for (Fill& fill : workers_) {
      if (fill.batch < 0) continue;
      if (fill.wait > kEarly) {
        fill.wait -= passed;
        if (fill.wait <= kEarly) {
          fill.wait = 0.0;
          fill.waited = now_;
        }
      } else {
        fill.wait = 0.0;
        fill.cpu -= share * passed;
        fill.computed += share * passed;
        cpu_ += share * passed;
        if (counts(fill.batch)) report_.cpu += share * passed;
      }
      if (fill.wait <= 0.0 && fill.cpu <= kEarly) end_fill(fill);
    }
    if (in_step_) {
      step_left_ -= share * passed;
      cpu_ += share * passed * setting_.step_threads;
      if (counts(taken_ - 1)) report_.cpu += share * passed * setting_.step_threads;
      if (step_left_ <= kEarly) end_step_on_cpu();
    }
    if (upload_end_ <= now_ + kEarly) {
      at(uploading_++).uploaded = now_;
      upload_end_ = kNever;
      ++freed_;
    }
    if (step_end_ <= now_ + kEarly) end_step_on_device();
  }

  void end_fill(Fill& fill) {
    at(fill.batch).filled = now_;
    const double took = now_ - fill.begin;
    measured_.durations.generate.add(ns(took));
    if (counts(fill.batch)) {
      report_.generate.add(ns(took));
      report_.generated += took;
      if (work_.convert_share > 0.0) report_.convert.add(ns(took * work_.convert_share));
      computed_ += fill.computed;
      wanted_ += now_ - fill.waited;
    }
    fill.batch = -1;
  }

  // The consumer takes batch `taken_`.
  void take() {
    if (!waiting_since_) {
      ready_ = 0;
      while (taken_ + ready_ < setting_.batches && at(taken_ + ready_).filled <= now_) ++ready_;
    }
    if (counts(taken_)) report_.ring_filled += static_cast<double>(ready_);
    if (!autotune_) return;
    ++measured_.batches;
    measured_.training_ns = ns(now_);
    measured_.cpu_ns = ns(cpu_);
    measured_.waited_ns = ns(waited_in_all_);
    measured_.cpu_share = work_.cpu_share;
    measured_.core_share = work_.cpu_share;
    if (!autotune_->is_due(measured_.batches, measured_.training_ns)) return;
    if (const auto choice = autotune_->decide(measured_)) {
      active_ = choice->workers;
      depth_ = choice->slots;
    }
  }

  void end_step_on_cpu() {
    const double took = now_ - step_begin_;
    measured_.durations.step.add(ns(took));
    if (counts(taken_ - 1)) {
      report_.step.add(ns(took));
      if (!awaited_) report_.step_in_a_row.add(ns(took));
      report_.computed += took;
    }
    in_step_ = false;
    ++freed_;
    ++stepped_;
    end_batch(stepped_ - 1);
  }

  void end_step_on_device() {
    Batch& batch = at(stepped_);
    batch.stepped = now_;
    step_end_ = kNever;
    const feed::BatchTimes times = times_of(batch);
    const feed::BatchTimes before = stepped_ == 0 ? feed::BatchTimes{} : times_of(at(stepped_ - 1));
    const std::int64_t read =
        stepped_ >= feed::kDeviceSlots ? ns(at(stepped_ - feed::kDeviceSlots).stepped) : 0;
    const feed::DeviceSpan span = feed::span_of(times, before, read);
    measured_.durations.step.add(times.stepped_ns - span.step_begin_ns);
    measured_.durations.upload.add(times.uploaded_ns - span.upload_begin_ns);
    if (counts(stepped_)) feed::add_to(report_, times, span);
    ++stepped_;
    end_batch(stepped_ - 1);
  }
  static feed::BatchTimes times_of(const Batch& batch) {
    return {.filled_ns = ns(batch.filled),
            .issued_ns = ns(batch.issued),
            .launched_ns = ns(batch.launched),
            .uploaded_ns = ns(batch.uploaded),
            .stepped_ns = ns(batch.stepped)};
  }

  void end_batch(std::int64_t batch) {
    if (!counts(batch)) {
      begin_ = now_;
      return;
    }
    ++report_.batches;
    report_.samples += 32;
    report_.bytes += static_cast<std::uint64_t>(work_.bytes);
    report_.wall = now_ - begin_;
    report_.generated_cpu_share = report_.generated > 0.0 ? computed_ / report_.generated : 0.0;
    report_.generated_core_share = report_.generated > 0.0 ? wanted_ / report_.generated : 0.0;
    report_.workers = active_;
    report_.max_workers = static_cast<int>(workers_.size());
    report_.queue_size = depth_ - 1;
    report_.device_slots = setting_.on_cpu ? 0 : feed::kDeviceSlots;
    report_.cores = setting_.cores;
    report_.step_cores = setting_.on_cpu ? setting_.step_threads : 0.0;
    report_.float_share = work_.float_share;
    report_.source = setting_.kind;
    report_.is_pure = setting_.is_pure;
    report_.tuned = report_.tuned_workers = setting_.tunes;
  }

  const Work work_;
  const Setting setting_;
  double now_ = 0.0;
  int size_ = 0;
  int depth_ = 0;
  int active_ = 1;
  std::vector<Fill> workers_;
  std::vector<Batch> batches_;
  std::int64_t claimed_ = 0;  // batches so far, here and below
  std::int64_t freed_ = 0;    // of the ring
  std::int64_t taken_ = 0;
  std::int64_t uploading_ = 0;
  std::int64_t stepped_ = 0;
  double host_free_ = 0.0;
  double upload_end_ = kNever;
  double step_end_ = kNever;
  // On the CPU.
  bool in_step_ = false;
  bool awaited_ = false;
  double step_begin_ = 0.0;
  double step_left_ = 0.0;
  std::optional<double> waiting_since_;
  std::int64_t next_run_ = 8;

  std::int64_t ready_ = 0;
  double begin_ = 0.0;     // of the second half
  double computed_ = 0.0;  // by the generator, here and below
  double wanted_ = 0.0;    // a core, and had one or not
  double cpu_ = 0.0;
  double waited_in_all_ = 0.0;
  std::optional<feed::Autotune> autotune_;
  feed::Autotune::Measured measured_;
  FeedReport report_;
};

}  // namespace

FeedReport act(const Work& work, const Setting& setting) { return Act(work, setting).run(); }

}  // namespace stoker::test

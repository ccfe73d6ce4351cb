// Advice on what to change, with what the change would bring: the throughput model predicts the
// time of a batch in other arrangements.
#include <algorithm>
#include <cmath>

#include "core/format.h"
#include "report/run_model.h"
#include "report/source_stages.h"
#include "report/text.h"
#include "stoker/report.h"

namespace stoker {
namespace {

using feed::Arrangement;
using report::duration;
using report::number;
using report::percent;
using report::ratio;

// A change is not worth advising if it makes batches less than this many times as fast.
constexpr double kWorthwhile = 1.05;
// More workers, or more slots, are advised as long as they lower the time of a batch to this share
// of it or less.
constexpr double kStillHelps = 0.98;
constexpr int kMostWorkers = 64;
constexpr int kMostSlots = 129;
// Advice names a part of the generator's work if it takes at least this share of the generator's
// time.
constexpr double kWorthNaming = 0.15;

// A generator makes and writes at most so many bytes of float32 in a second. Writing uint8 instead
// saves it at least the time for the bytes that it no longer writes.
constexpr double kBytesPerSecond = 4e9;
// The time that drawing one random number in bulk takes, roughly.
constexpr double kSecondsPerNumber = 1e-9;

// Returns what a source that has one worker needs so that it can have several; for
// Advice::condition.
const char* condition_of(SourceKind kind) {
  switch (kind) {
    case SourceKind::function:
      return "pure(f), where several threads may call the function at the same time";
    case SourceKind::coroutine:
      return "a Sequence, or a function that makes any batch from its number, since a coroutine "
             "goes from one batch to the next";
    case SourceKind::dataset:
      return "elements that can be asked for by number (is_random_access()); map(f, {.workers = "
             "n}) has threads of its own until then";
    default:
      return "its class's pure() to return true, where several threads may be in fill() at the "
             "same time, or a Sequence";
  }
}

class Adviser {
 public:
  explicit Adviser(const FeedReport& report)
      : report_(report), model_(report), durations_(model_.durations()), now_(model_.now()) {}

  std::vector<Advice> run() {
    using Class = FeedReport::Class;
    const Class bound = report_.classify();
    if (bound == Class::nothing) return {};
    if (bound == Class::compute_bound) {
      if (shares_cores()) advise_less_on_the_steps_cores();
      return advice_;
    }
    if (report_.by_hand) {
      advise_overlap();
      return advice_;
    }
    const double most = std::max(
        {report_.waited_for_generator, report_.waited_for_upload, report_.waited_for_launch});
    if (most == report_.waited_for_generator) {
      // A ring of one slot is that of a fit of one batch, for which there is nothing to do ahead.
      if (now_.ring_slots > 1) {
        if (!keeps_up_on_average()) advise_workers();
        advise_workers_of_a_stage();
        advise_queue();
      }
      advise_conversion();
    } else if (most == report_.waited_for_upload && !is_small()) {
      advise_smaller_uploads();
    } else {
      advise_larger_batches();
    }
    put_most_rewarding_first();
    // This advice comes last, since it says how much there is to gain but not how.
    if (most == report_.waited_for_generator) advise_cheaper_batches();
    return advice_;
  }

 private:
  bool shares_cores() const {
    return report_.device_slots == 0 && report_.step_cores > 0.0 && !report_.by_hand;
  }

  // Of two changes that bring nearly the same, the one that was added first stays first, so that
  // noise does not decide.
  void put_most_rewarding_first() {
    for (auto place = advice_.begin(); place != advice_.end(); ++place) {
      const auto best = std::min_element(
          place, advice_.end(),
          [](const Advice& a, const Advice& b) { return a.predicted < b.predicted; });
      const double good = best->predicted / kStillHelps;
      const auto first = std::find_if(place, advice_.end(),
                                      [good](const Advice& one) { return one.predicted <= good; });
      std::rotate(place, first, first + 1);
    }
  }

  // Even a step that waits for nothing takes longer while batches are made on its cores.
  void advise_less_on_the_steps_cores() {
    advise_conversion();
    advise_cheaper_batches();
  }

  void add(std::string change, std::string reason, double predicted, std::string condition = {}) {
    const double now = report_.seconds_per_batch();
    if (predicted <= 0.0 || now < kWorthwhile * predicted) return;
    advice_.push_back({std::move(change), std::move(condition), std::move(reason), now, predicted});
  }

  // Returns the fewest workers that bring nearly as much as the best number of them.
  int enough_workers() const {
    if (now_.workers >= kMostWorkers) return now_.workers;
    return feed::fewest_workers(now_.workers, kMostWorkers, 1.0 / kStillHelps, [&](int workers) {
      return feed::seconds_per_batch(durations_, model_.with_workers(workers));
    });
  }

  // Returns whether only some batches come late, so that a deeper queue alone hides that, without
  // another thread.
  bool keeps_up_on_average() const {
    const double own = durations_.generate.mean() / std::max(now_.workers, 1);
    if (own >= std::max({durations_.upload.mean(), durations_.step.mean(), durations_.host})) {
      return false;
    }
    Arrangement deeper = now_;
    deeper.ring_slots = kMostSlots;
    return kStillHelps * feed::seconds_per_batch(durations_, deeper) <=
           feed::seconds_per_batch(durations_, model_.with_workers(enough_workers()));
  }

  void advise_workers() {
    // AUTOTUNE already takes as many workers as help, up to max_workers.
    if (report_.tuned_workers && report_.workers < report_.max_workers) return;
    // The feed's workers only take what stages with threads of their own give.
    if (std::ranges::any_of(report_.stages,
                            [](const StageReport& one) { return one.workers > 0; })) {
      return;
    }
    const Arrangement more = model_.with_workers(enough_workers());
    if (more.workers == now_.workers) return;
    const double predicted = model_.predict(more);
    std::string change = format("workers ", now_.workers, " → ", more.workers);
    if (more.ring_slots > now_.ring_slots) {
      change += format(" and max_queue_size ", now_.ring_slots - 1, " → ", more.ring_slots - 1);
    }
    std::string reason = limit(more);
    std::string condition;
    if (!report_.is_pure) {
      condition = condition_of(report_.source);
      reason += ". Needs " + condition;
    }
    add(std::move(change), std::move(reason), predicted, std::move(condition));
  }

  // Advises more threads for the stage with threads of its own that all others wait for.
  void advise_workers_of_a_stage() {
    const StageReport* const slowest = report::slowest(report_.stages);
    if (slowest == nullptr || slowest->workers == 0 || slowest->is_tuned) return;
    double others = 0.0;
    for (const StageReport& stage : report_.stages) {
      if (&stage != slowest) others = std::max(others, stage.busy / std::max(stage.workers, 1));
    }
    const auto stages_take = [&](int workers) { return std::max(slowest->busy / workers, others); };
    // No number of threads gets more CPU time out of the cores.
    const double batches = static_cast<double>(report_.batches);
    const double by_cores = ratio(report_.cpu, report_.cores * batches);
    const auto takes = [&](int workers) {
      Arrangement more = now_;
      more.generate_scale = ratio(stages_take(workers), stages_take(slowest->workers));
      return std::max(model_.predict(more), by_cores);
    };
    const int enough =
        feed::fewest_workers(slowest->workers, kMostWorkers, 1.0 / kStillHelps, takes);
    add(format("workers of ", slowest->name, " ", slowest->workers, " → ", enough),
        "the other stages wait for it", takes(enough));
  }

  // Returns ", most of it (72.0%) in map 2"; empty unless one stage takes more than the others.
  std::string where_in_the_source() const {
    double all = 0.0;
    const StageReport* most = nullptr;
    for (const StageReport& stage : report_.stages) {
      all += stage.busy;
      if (most == nullptr || stage.busy > most->busy) most = &stage;
    }
    if (most == nullptr || 2.0 * most->busy <= all) return "";
    return format(", most of it (", percent(most->busy / all), ") in ", most->name);
  }

  // Says what keeps a batch from being faster than in this arrangement.
  std::string limit(const Arrangement& arrangement) const {
    const double acted = kStillHelps * feed::seconds_per_batch(durations_, arrangement);
    const auto beyond = [&](const char* what) {
      return format("beyond ", arrangement.workers, " ", what, " is the limit");
    };
    if (ratio(arrangement.cpu_seconds, arrangement.cores) >= acted) {
      return beyond("the number of cores");
    }
    const double upload = durations_.upload.mean();
    const double step = durations_.step.mean();
    // This is the generator's time with as many workers as the arrangement has.
    const double generate = arrangement.generate_scale * durations_.generate.mean();
    if (generate / arrangement.workers > kWorthwhile * std::max({upload, step, durations_.host})) {
      return "even then the step waits for the generator";
    }
    if (durations_.host > std::max(upload, step)) return beyond("launching");
    return beyond(upload > step ? "the upload" : "the step");
  }

  void advise_queue() {
    Arrangement deeper = now_;
    deeper.ring_slots = kMostSlots;
    const double best = feed::seconds_per_batch(durations_, deeper);
    for (int queue = now_.ring_slots - 1; queue + 1 < kMostSlots; queue *= 2) {
      deeper.ring_slots = queue + 1;
      if (kStillHelps * feed::seconds_per_batch(durations_, deeper) <= best) break;
    }
    if (deeper.ring_slots == now_.ring_slots) return;
    add(format("max_queue_size ", now_.ring_slots - 1, " → ", deeper.ring_slots - 1),
        "on average the generator keeps up, but some batches come late: with more of them ready "
        "the "
        "step does not notice",
        model_.predict(deeper));
  }

  void advise_conversion() {
    const double share = ratio(report_.convert.total(), report_.generate.total());
    if (share < kWorthNaming) return;
    Arrangement without = now_;
    without.generate_scale = 1.0 - share;
    take_off_cores(without, report_.convert.total());
    add("fill float fields instead of casting double",
        format(percent(share), " of the generator's time goes into the conversion"),
        model_.predict(without));
  }

  void advise_cheaper_batches() {
    Arrangement free = now_;
    free.generate_scale = 0.0;
    take_off_cores(free, report_.generated * report_.generated_cpu_share);
    add("a cheaper batch",
        (model_.core_share() > 0.5 ? how_to_compute_less() : how_to_wait_less()) +
            ". This is what a generator would bring that costs nothing",
        model_.predict(free));
  }

  // Names only those parts of the work that take long enough for a change to matter.
  std::string how_to_compute_less() const {
    if (report_.source == SourceKind::arrays) {
      return "it copies rows of tensors: a smaller element type makes fewer bytes, and "
             "cache_on_device() gathers them on the device";
    }
    const double generated = report_.generate.total();
    const double numbers = kSecondsPerNumber * static_cast<double>(report_.drawn_one_by_one);
    const double floats =
        0.75 * report_.float_share * static_cast<double>(report_.bytes) / kBytesPerSecond;
    std::string how =
        format("it computes", where_in_the_source(), ": compute once what every batch needs");
    if (numbers > kWorthNaming * generated) {
      how += ", draw random numbers in bulk (batch.random.fill_uniform)";
    }
    if (floats > kWorthNaming * generated) {
      how += ", write uint8 fields and let the step rescale them";
    }
    return how;
  }

  std::string how_to_wait_less() const {
    const char* keep =
        report_.source == SourceKind::dataset ? "cache() the data" : "keep in memory what was read";
    return format("it mostly waits, for a disk or a lock", where_in_the_source(),
                  ": read larger pieces, keep files open, or ", keep);
  }

  // A step that computes on the generator's cores gets faster by at most the CPU time that the
  // generator no longer takes. It cannot get faster than its own CPU time spread over all of its
  // threads.
  void take_off_cores(Arrangement& arrangement, double generator_cpu) const {
    const double saved = ratio(generator_cpu, static_cast<double>(report_.batches));
    arrangement.cpu_seconds = std::max(0.0, now_.cpu_seconds - saved);
    if (report_.device_slots > 0 || report_.cpu <= 0.0) return;
    const double threads = report_.step_cores > 0.0 ? report_.step_cores : report_.cores;
    const double step = durations_.step.mean();
    const double own = std::max(arrangement.cpu_seconds / std::max(threads, 1.0), step - saved);
    arrangement.step_scale = std::clamp(ratio(own, step), 0.25, 1.0);
  }

  void advise_smaller_uploads() {
    const auto with = [&](double bytes) {
      Arrangement fewer = now_;
      fewer.upload_scale = bytes;
      return model_.predict(fewer);
    };
    const double floats = report_.float_share;
    if (floats > kWorthNaming) {
      add("uint8 fields with a Rescaling layer, where the data allow it",
          "a quarter of the bytes of float32; the step casts them on the device",
          with(1.0 - 0.75 * floats));
      add("bfloat16 fields", "half of the bytes of float32; the step casts them on the device",
          with(1.0 - 0.5 * floats));
    }
    add("cache_on_device(), where the data set fits the device's memory",
        "batches are then gathered there, and nothing is uploaded", with(0.0));
  }

  void advise_larger_batches() {
    // One batch of four times the size costs the host as much as one batch does now.
    const double per_batch = report_.seconds_per_batch();
    const double device = ratio(report_.computed, static_cast<double>(report_.batches));
    add("a batch_size four times as large",
        "a batch is so small that handing it over takes longer than computing on it; time is told "
        "for as many samples as a batch has now",
        std::max(device, 0.25 * per_batch));
  }

  // The time of an upload this small is the time that it takes to begin one.
  bool is_small() const {
    constexpr double kBytes = 64.0 * 1024.0;
    return static_cast<double>(report_.bytes) < kBytes * static_cast<double>(report_.batches);
  }

  void advise_overlap() {
    add("fit_generator instead of train_on_batch in a loop",
        "the generator then fills the coming batches while the step computes",
        std::max(report_.computed, report_.waited_for_generator) /
            static_cast<double>(report_.batches));
  }

  const FeedReport& report_;
  const report::RunModel model_;
  const feed::StageDurations& durations_;
  const Arrangement& now_;
  std::vector<Advice> advice_;
};

}  // namespace

std::vector<Advice> FeedReport::advice() const { return Adviser(*this).run(); }

}  // namespace stoker

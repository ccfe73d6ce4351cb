// What a run would have been with another device, other workers or other data.
#include <algorithm>
#include <string>

#include "core/check.h"
#include "core/format.h"
#include "feed/ring/sizes.h"
#include "report/run_model.h"
#include "report/text.h"
#include "stoker/config.h"
#include "stoker/error.h"

namespace stoker {
namespace {

// A step that waits for less than this share of its time is held back by itself (FeedReport's
// Class).
constexpr double kComputeBound = 0.05;

void check_change(const WhatIf& change) {
  const auto require = [](const char* name, double value) {
    check::require("what_if", name, value, check::above(0));
  };
  require("device_speed", change.device_speed);
  require("generator_speed", change.generator_speed);
  check::require("what_if", "upload_bytes", change.upload_bytes, check::at_least(0));
  if (change.cores) require("cores", *change.cores);
  constexpr double kMost = 65536;  // The simulation keeps a number for each.
  if (change.workers)
    check::require("what_if", "workers", *change.workers, check::closed(1, kMost));
  if (change.queue) check::require("what_if", "queue", *change.queue, check::closed(1, kMost));
}

feed::Arrangement arrangement_of(const report::RunModel& run, const WhatIf& change,
                                 bool step_uses_cores) {
  feed::Arrangement then = run.now();
  then.cores = change.cores.value_or(then.cores);
  then.workers = change.workers.value_or(then.workers);
  if (change.workers || change.queue) {
    then.ring_slots = feed::slots_for_workers(
        then.workers, change.queue.value_or(then.ring_slots - 1), then.device_slots);
  }
  const double generator = 1.0 / change.generator_speed;
  const double step = 1.0 / change.device_speed;
  then.generate_scale = report::ratio(run.call_with(then.workers, then.cores, generator),
                                      run.call_with(run.now().workers, run.now().cores));
  then.upload_scale = change.upload_bytes;
  then.step_scale = step;
  then.cpu_seconds = run.cpu_seconds(generator, step_uses_cores ? step : 1.0);
  return then;
}

std::string limit_of(const feed::SteadyState& state) {
  if (state.is_limited_by_cores) return "cores";
  const double waited =
      state.waited_for_generator + state.waited_for_upload + state.waited_for_launch;
  if (waited < kComputeBound * state.seconds_per_batch) return "step";
  const double most =
      std::max({state.waited_for_generator, state.waited_for_upload, state.waited_for_launch});
  if (most == state.waited_for_generator) return "generator";
  return most == state.waited_for_upload ? "upload" : "launch";
}

}  // namespace

Outcome FeedReport::what_if(const WhatIf& change) const {
  check_change(change);
  if (classify() == Class::nothing) {
    throw ValueError("what_if: expected the report of a run, received one without batches");
  }
  if (by_hand) {
    throw ValueError(
        "what_if: train_on_batch has no feed to simulate; expected the report of a fit");
  }
  const report::RunModel run(*this);
  const feed::Arrangement then = arrangement_of(run, change, step_cores > 0.0);
  return {seconds_per_batch(), run.predict(then),
          limit_of(feed::steady_state(run.durations(), then))};
}

std::string Outcome::text() const {
  const char* what = limit == "step"    ? "the step itself"
                     : limit == "cores" ? "the number of cores"
                                        : nullptr;
  return format("a step would take ", report::duration(predicted), " instead of ",
                report::duration(seconds_per_batch), ", ", report::number(speedup()),
                " times as fast; ", what ? what : "the " + limit, " would hold it back then");
}

std::string Outcome::to_json() const {
  return Config::map({{"seconds_per_batch", seconds_per_batch},
                      {"predicted", predicted},
                      {"speedup", speedup()},
                      {"limit", limit}})
      .to_json();
}

}  // namespace stoker

#include "report/run_model.h"

#include <algorithm>

#include "report/text.h"

namespace stoker::report {
namespace {

// The mean of fewer steps in a row than this is too uncertain to use.
constexpr std::uint64_t kSomeSteps = 4;

// The time that the host takes to hand a batch to the device; where it was not measured, as far as
// the device waited for it.
double host_of(const FeedReport& report) {
  if (report.launch.count() > 0) return report.launch.mean();
  return ratio(report.waited_for_launch, static_cast<double>(report.batches));
}

feed::StageDurations durations_of(const FeedReport& report) {
  return {report.generate, report.upload,
          report.step_in_a_row.count() >= kSomeSteps ? report.step_in_a_row : report.step,
          host_of(report)};
}

double generator_cpu_of(const FeedReport& report) {
  const double seconds = std::min(report.cpu, report.generated * report.generated_cpu_share);
  return ratio(seconds, static_cast<double>(report.batches));
}

// The rest of the CPU time, if the steps had taken `step` seconds each, in proportion.
double step_cpu_of(const FeedReport& report, double step) {
  const double rest =
      ratio(report.cpu, static_cast<double>(report.batches)) - generator_cpu_of(report);
  if (report.step_cores <= 0.0 || report.step.mean() <= 0.0) return rest;
  return rest * step / report.step.mean();
}

}  // namespace

RunModel::RunModel(const FeedReport& report)
    : report_(report),
      durations_(durations_of(report)),
      generator_cpu_(generator_cpu_of(report)),
      step_cpu_(step_cpu_of(report, durations_.step.mean())),
      now_{.workers = report.workers,
           .ring_slots = report.queue_size + 1,
           .device_slots = report.device_slots,
           .cpu_seconds = generator_cpu_ + step_cpu_,
           .cores = report.cores},
      modelled_(feed::seconds_per_batch(durations_, now_)) {}

double RunModel::predict(const feed::Arrangement& arrangement) const {
  return report_.seconds_per_batch() *
         ratio(feed::seconds_per_batch(durations_, arrangement), modelled_);
}

double RunModel::core_share() const {
  return std::max(report_.generated_core_share, report_.generated_cpu_share);
}

double RunModel::call_with(int workers, double cores, double computes) const {
  const double call = durations_.generate.mean();
  if (report_.cpu <= 0.0) return computes * call;
  return feed::seconds_per_call(computes * call * report_.generated_cpu_share,
                                computes * call * (1.0 - core_share()), workers,
                                std::max(cores, 1.0));
}

double RunModel::cpu_seconds(double generator, double step) const {
  return generator * generator_cpu_ + step * step_cpu_;
}

feed::Arrangement RunModel::with_workers(int workers) const {
  feed::Arrangement many = now_;
  many.workers = workers;
  many.generate_scale = ratio(call_with(workers, now_.cores), call_with(now_.workers, now_.cores));
  if (workers > now_.workers) many.ring_slots = std::max(now_.ring_slots, 2 * workers + 1);
  return many;
}

}  // namespace stoker::report

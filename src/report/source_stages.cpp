#include "report/source_stages.h"

#include <algorithm>

#include "core/format.h"
#include "report/text.h"

namespace stoker::report {
namespace {

// A stage that takes less than this share of the time isn't named.
constexpr double kWorthNaming = 0.01;

double time_of(const StageReport& stage) { return stage.busy / std::max(stage.workers, 1); }

}  // namespace

std::vector<StageReport> sum_of(std::vector<StageReport> stages,
                                const std::vector<StageReport>& later) {
  if (stages.size() != later.size()) return later;
  for (std::size_t i = 0; i < stages.size(); ++i) {
    const StageReport& more = later[i];
    StageReport& sum = stages[i];
    sum.name = more.name;
    sum.elements += more.elements;
    sum.bytes += more.bytes;
    sum.busy += more.busy;
    sum.waited_for_input += more.waited_for_input;
    sum.waited_for_room += more.waited_for_room;
    sum.workers = more.workers;
    sum.is_tuned = more.is_tuned;
    sum.asked += more.asked;
    sum.ready += more.ready;
  }
  return stages;
}

const StageReport* slowest(const std::vector<StageReport>& stages) {
  const auto most = std::ranges::max_element(stages, {}, time_of);
  return most == stages.end() || most->busy <= 0.0 ? nullptr : &*most;
}

std::string text_of(const std::vector<StageReport>& stages) {
  double all = 0.0;
  for (const StageReport& stage : stages) all += stage.busy;
  if (all <= 0.0) return {};
  std::string text;
  for (const StageReport& stage : stages) {
    const double share = ratio(stage.busy, all);
    if (share < kWorthNaming) continue;
    text += format(text.empty() ? "Of the time in its stages, " : ", ", stage.name);
    if (stage.workers > 0) {
      text += format(" on ", stage.workers, stage.workers == 1 ? " thread" : " threads");
    }
    text += format(" took ", percent(share));
  }
  return text + ".";
}

}  // namespace stoker::report

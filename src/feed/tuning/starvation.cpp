#include "feed/tuning/starvation.h"

#include <algorithm>

#include "core/format.h"

namespace stoker::feed {
namespace {

constexpr std::int64_t kStarvedNs = 1'000'000'000;
constexpr double kStarvedShare = 0.2;

const char* name_of(Starvation::Stage stage) {
  switch (stage) {
    case Starvation::Stage::generator:
      return "the generator";
    case Starvation::Stage::upload:
      return "uploads";
    case Starvation::Stage::launch:
      return "launches";
  }
  return "batches";
}

}  // namespace

void Starvation::begin_epoch(std::int64_t now_ns) {
  begin_ns_ = now_ns;
  epoch_ = {};
}

void Starvation::end_epoch(std::int64_t now_ns) {
  if (begin_ns_ > 0) before_ns_ += now_ns - begin_ns_;
  begin_ns_ = 0;
}

void Starvation::add(Stage stage, std::int64_t waited_ns) {
  epoch_[static_cast<std::size_t>(stage)] += waited_ns;
  all_[static_cast<std::size_t>(stage)] += waited_ns;
}

void Starvation::add(const Waits& waits) {
  for (std::size_t stage = 0; stage < waits.size(); ++stage) {
    add(static_cast<Stage>(stage), waits[stage]);
  }
}

std::optional<Starvation::Found> Starvation::check(std::int64_t now_ns,
                                                   std::int64_t waiting_ns) const {
  const std::int64_t in_epoch = begin_ns_ > 0 ? now_ns - begin_ns_ : 0;
  const auto found = [&](Waits waits, std::int64_t of_ns) -> std::optional<Found> {
    waits[static_cast<std::size_t>(Stage::generator)] += waiting_ns;
    const std::int64_t waited = waits[0] + waits[1] + waits[2];
    if (waited < kStarvedNs ||
        static_cast<double>(waited) <= kStarvedShare * static_cast<double>(of_ns)) {
      return std::nullopt;
    }
    const auto most = std::ranges::max_element(waits) - waits.begin();
    return Found{static_cast<Stage>(most), 1e-9 * static_cast<double>(waited),
                 1e-9 * static_cast<double>(of_ns)};
  };
  const std::optional<Found> now = found(epoch_, in_epoch);
  return now ? now : found(all_, before_ns_ + in_epoch);
}

std::string warning_of(const Starvation::Found& found, const char* who) {
  return format(who, " has waited ", found.waited, " s of the last ", found.of, " s for ",
                name_of(found.stage));
}

}  // namespace stoker::feed

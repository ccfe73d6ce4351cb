#include "feed/ring/sizes.h"

#include <algorithm>
#include <string>
#include <thread>
#include <vector>

#include "core/format.h"
#include "feed/ring/schedule.h"
#include "feed/ring/slot_layout.h"

namespace stoker::feed {
namespace {

constexpr std::int64_t kFewestSlots = 3;  // the fewest that AUTOTUNE takes
// A ring that AUTOTUNE chooses has at most so many slots, or, if that is more, one more than twice
// the workers: as many batches may then be ready as are under way.
constexpr std::int64_t kMostSlots = 33;

// Returns the reason for having one worker only, and what would change that.
const char* reason_of(SourceKind kind) {
  switch (kind) {
    case SourceKind::function:
      return "its function holds something that several threads would share. Say pure(f) if they "
             "may call it at the same time";
    case SourceKind::coroutine:
      return "a coroutine goes from one batch to the next. A Sequence, or a function that makes "
             "any batch from its number, can be asked by several threads";
    case SourceKind::dataset:
      return "the Dataset's elements come one after another (is_random_access() is false). "
             "map(f, {.workers = n}) has threads of its own there";
    case SourceKind::device:
      return "it fills the device's memory on the thread that calls fit";
    default:
      return "its class does not say that several threads may call fill() at the same time. "
             "Override pure() to return true if they may, or derive from Sequence";
  }
}

}  // namespace

int cores() { return static_cast<int>(std::max(1U, std::thread::hardware_concurrency())); }

Sizes sizes_of(const FeedOptions& options, Source& source, bool shares_cores) {
  const Schedule schedule(options, source);  // which checks the options too
  const int device_slots = shares_cores ? 0 : kDeviceSlots;
  const bool tunes_workers = options.workers == AUTOTUNE && source.pure();
  const std::int64_t wanted = !source.pure()  ? 1
                              : tunes_workers ? options.max_workers
                                              : options.workers;
  std::int64_t workers = std::max<std::int64_t>(1, schedule.total_up_to(wanted));
  const bool tunes_queue = options.max_queue_size == AUTOTUNE;
  const int queued = tunes_queue ? 1 : options.max_queue_size;
  const auto slots_for = [&](std::int64_t count) {
    return std::int64_t{slots_for_workers(static_cast<int>(count), queued, device_slots)};
  };
  const auto budget =
      static_cast<std::int64_t>(options.queue_bytes / SlotLayout::of_host(source).bytes);
  std::int64_t slots = slots_for(workers);
  if (tunes_workers) slots = std::min(slots, std::max(budget, slots_for(1)));
  if (tunes_queue) {
    const std::int64_t most =
        std::clamp(budget, kFewestSlots, std::max(kMostSlots, 2 * workers + 1));
    slots = tunes_workers ? most : std::max(slots, most);
  }
  Sizes sizes;
  while (workers > 1 && slots_for(workers) > slots) --workers;
  sizes.limited_by_memory = tunes_workers && workers < schedule.total_up_to(wanted);
  slots = std::max<std::int64_t>(1, schedule.total_up_to(slots));
  sizes.slots = static_cast<int>(slots);
  sizes.workers = static_cast<int>(std::clamp<std::int64_t>(workers, 1, slots));
  sizes.active = sizes.workers;
  if (tunes_workers) {
    sizes.active = shares_cores ? 1 : std::min(sizes.workers, std::clamp(2 * cores(), 8, 32));
  }
  sizes.depth =
      static_cast<int>(std::min(slots, tunes_queue ? kMostSlots : slots_for(sizes.active)));
  return sizes;
}

std::string why_one_worker(const FeedOptions& options, const Source& source) {
  if (options.workers <= 1 || source.pure()) return {};
  const std::vector<StageReport> stages = source.stages();
  const auto has_threads = [](const StageReport& stage) { return stage.workers > 0; };
  const auto own = std::ranges::find_if(stages, has_threads);
  const std::string reason =
      own == stages.end()
          ? reason_of(source.traits().kind)
          : format("its stage \"", own->name,
                   "\" has threads of its own, and the feed's takes what "
                   "they give. Without workers there, the feed's would make whole batches");
  return format("workers = ", options.workers, ", but one is used: ", reason);
}

}  // namespace stoker::feed

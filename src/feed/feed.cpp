// The consumer's side: batches in order, epochs, errors, and what the waiting took.
#include "feed/feed.h"

#include <algorithm>
#include <utility>

#include "core/format.h"
#include "feed/producer.h"
#include "feed/ring.h"
#include "feed/schedule.h"
#include "stoker/error.h"

namespace stoker::feed {
namespace {

constexpr int kDefaultQueueSize = 10;
constexpr std::size_t kProducerTrack = 0;
constexpr std::size_t kConsumerTrack = 1;
constexpr std::size_t kStampsPerTrack = 1024;

// As many as may wait for the step, and the one that it reads; no more than there are batches.
int slots_for(const FeedOptions& options, const Schedule& schedule) {
  const int queue = options.max_queue_size == AUTOTUNE ? kDefaultQueueSize : options.max_queue_size;
  return static_cast<int>(std::max<std::int64_t>(1, schedule.total_up_to(std::int64_t{queue} + 1)));
}

double seconds(std::int64_t ns) { return 1e-9 * static_cast<double>(ns); }

}  // namespace

struct Feed::Impl {
  Impl(std::shared_ptr<Source> from, const FeedOptions& options, device::Device& device)
      : source(std::move(from)),
        schedule(options, *source),
        layout(source->spec()),
        ring(layout, slots_for(options, schedule), device),
        timeline(2, kStampsPerTrack),
        epoch(schedule.first_epoch()),
        producer(*source, schedule, options.seed, ring, timeline.track(kProducerTrack)) {}

  std::optional<Batch> next();
  SlotHeader take();
  void end_epoch();
  [[noreturn]] void rethrow();

  const std::shared_ptr<Source> source;
  const Schedule schedule;
  const SlotLayout layout;
  Ring ring;
  Timeline timeline;
  TimelineTotals reported;  // what earlier reports have told
  FeedReport counts;        // of batches since the last report

  // The consumer's own place: the batch that next() returns.
  std::uint64_t position = 0;  // in the ring, which carries the ends of epochs too
  std::uint64_t sequence = 0;  // batches before it
  std::int64_t epoch;
  std::int64_t step = 0;
  bool ran_out = false;
  bool failed = false;

  Producer producer;  // last: it uses the others, and stops before they go
};

// Waits for the slot of the next batch.
SlotHeader Feed::Impl::take() {
  if (!ring.is_full(position)) {
    if (ring.is_held(position)) {
      throw ValueError(
          format("Feed::next: expected a batch to be released first, since the ring of ",
                 ring.size(), " slots has none left"));
    }
    const ScopedStamp stamp(timeline.track(kConsumerTrack), Stage::wait_for_generator, sequence);
    ring.wait_until_full(position);
  }
  return *reinterpret_cast<const SlotHeader*>(ring.block(position));
}

void Feed::Impl::end_epoch() {
  ++epoch;
  step = 0;
}

void Feed::Impl::rethrow() {
  producer.join();
  failed = true;
  std::rethrow_exception(producer.failure());
}

std::optional<Batch> Feed::Impl::next() {
  if (failed) rethrow();
  if (ran_out || epoch == schedule.end_epoch()) return std::nullopt;
  const std::optional<std::int64_t> steps = schedule.steps(epoch);
  if (step == steps) {
    end_epoch();
    return std::nullopt;
  }
  const SlotHeader header = take();
  if (header.rows == kFailed) rethrow();
  if (header.rows == kEnded) {
    ran_out = steps.has_value() || step == 0;
    ring.release(position++);
    end_epoch();
    return std::nullopt;
  }
  ++step;
  ++counts.batches;
  counts.samples += header.rows;
  counts.bytes += static_cast<std::uint64_t>(header.rows) * layout.row_bytes;
  const std::uint64_t taken = position++;
  return Batch{.block = ring.block(taken),
               .rows = header.rows,
               .sequence = static_cast<std::int64_t>(sequence++),
               .position = taken};
}

Feed::Feed(std::shared_ptr<Source> source, FeedOptions options, device::Device& device)
    : impl_(std::make_unique<Impl>(std::move(source), options, device)) {}

Feed::~Feed() = default;

std::optional<Batch> Feed::next() { return impl_->next(); }

bool Feed::holds_next_slot() const { return impl_->ring.is_held(impl_->position); }

void Feed::release(const Batch& batch) { impl_->ring.release(batch.position); }

bool Feed::ran_out() const { return impl_->ran_out; }

const SlotLayout& Feed::layout() const { return impl_->layout; }

const Timeline& Feed::timeline() const { return impl_->timeline; }

FeedReport Feed::take_report() {
  const TimelineTotals now = impl_->timeline.snapshot();
  const auto since_last = [&](Stage stage) {
    return seconds(now[stage].sum_ns - impl_->reported[stage].sum_ns);
  };
  FeedReport report = std::exchange(impl_->counts, FeedReport{});
  report.waited_for_generator = since_last(Stage::wait_for_generator);
  report.generated = since_last(Stage::generate);
  impl_->reported = now;
  return report;
}

}  // namespace stoker::feed

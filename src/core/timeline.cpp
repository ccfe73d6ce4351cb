// This file uses a sequence lock: a track's data words are stored with release after the version
// has become odd, and loaded with acquire before the version is read again. A reader that has seen
// a new word therefore also sees the new version, and reads again (Boehm, "Can seqlocks get along
// with programming language memory models?", 2012, without the fences that ThreadSanitizer cannot
// follow). On x86 all of these are plain moves.
#include "core/timeline.h"

#include <algorithm>

namespace stoker {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;
constexpr auto kAcquire = std::memory_order_acquire;
constexpr auto kRelease = std::memory_order_release;

void merge(StageTotals& into, const StageTotals& from) {
  if (from.count == 0) return;
  into.min_ns = into.count == 0 ? from.min_ns : std::min(into.min_ns, from.min_ns);
  into.max_ns = std::max(into.max_ns, from.max_ns);
  into.count += from.count;
  into.sum_ns += from.sum_ns;
  into.durations += from.durations;
}

}  // namespace

const char* name_of(Stage stage) {
  switch (stage) {
    case Stage::generate:
      return "generate";
    case Stage::convert:
      return "convert";
    case Stage::wait_for_slot:
      return "wait_for_slot";
    case Stage::wait_for_generator:
      return "wait_for_generator";
    case Stage::upload:
      return "upload";
    case Stage::wait_for_upload:
      return "wait_for_upload";
    case Stage::launch:
      return "launch";
    case Stage::compute:
      return "compute";
    case Stage::callback:
      return "callback";
  }
  return "unknown";
}

Track::Track(const Word& epoch, std::uint32_t worker, std::size_t stamps)
    : timeline_epoch_(epoch), worker_(worker), slot_count_(stamps + 1) {}

void Track::prepare() {
  if (!slots_) slots_ = std::make_unique<Slot[]>(slot_count_);
}

void Track::add(Stage stage, std::int64_t duration_ns) {
  Totals& totals = totals_[static_cast<std::size_t>(stage)];
  const auto duration = static_cast<std::uint64_t>(std::max<std::int64_t>(duration_ns, 0));
  const std::uint64_t count = totals.count.load(kRelaxed);
  if (count == 0 || duration < totals.min.load(kRelaxed)) totals.min.store(duration, kRelease);
  if (count == 0 || duration > totals.max.load(kRelaxed)) totals.max.store(duration, kRelease);
  totals.sum.store(totals.sum.load(kRelaxed) + duration, kRelease);
  Word& bucket = totals.buckets[DurationHistogram::bucket_of(static_cast<std::int64_t>(duration))];
  bucket.store(bucket.load(kRelaxed) + 1, kRelease);
  totals.count.store(count + 1, kRelease);
}

void Track::stamp(Stage stage, std::uint64_t sequence, std::int64_t begin_ns, std::int64_t end_ns) {
  const std::uint64_t written = written_.load(kRelaxed);
  // A reader looks at the slots only after it has seen a stamp, which is published below.
  if (written == 0) prepare();
  const std::uint64_t version = version_.load(kRelaxed);
  const std::uint64_t epoch = timeline_epoch_.load(kRelaxed);
  version_.store(version + 1, kRelaxed);
  if (epoch != epoch_.load(kRelaxed)) {
    // The reset is carried out here, because only this thread may write the track.
    first_.store(written, kRelease);
    epoch_.store(epoch, kRelease);
    for (Totals& totals : totals_) {
      totals.count.store(0, kRelease);
      totals.sum.store(0, kRelease);
      for (Word& bucket : totals.buckets) bucket.store(0, kRelease);
    }
  }
  add(stage, end_ns - begin_ns);
  version_.store(version + 2, kRelease);

  Slot& slot = slots_[written % slot_count_];
  slot.stage.store(static_cast<std::uint64_t>(stage), kRelease);
  slot.sequence.store(sequence, kRelease);
  slot.begin.store(static_cast<std::uint64_t>(begin_ns), kRelease);
  slot.end.store(static_cast<std::uint64_t>(end_ns), kRelease);
  written_.store(written + 1, kRelease);
}

// Returns false when the writer changed the totals during the read.
bool Track::read_totals(std::uint64_t epoch, std::array<StageTotals, kStages>& totals) const {
  const std::uint64_t version = version_.load(kAcquire);
  totals = {};
  if (epoch_.load(kAcquire) == epoch) {
    for (std::size_t i = 0; i < kStages; ++i) {
      const Totals& from = totals_[i];
      totals[i] = {from.count.load(kAcquire),
                   static_cast<std::int64_t>(from.sum.load(kAcquire)),
                   static_cast<std::int64_t>(from.min.load(kAcquire)),
                   static_cast<std::int64_t>(from.max.load(kAcquire)),
                   {}};
      if (totals[i].count == 0) continue;
      for (std::size_t bucket = 0; bucket < from.buckets.size(); ++bucket) {
        totals[i].durations.add_bucket(bucket, from.buckets[bucket].load(kAcquire));
      }
      totals[i].durations.add_total(totals[i].sum_ns);
    }
  }
  return version % 2 == 0 && version_.load(kRelaxed) == version;
}

void Track::read_stamps(std::uint64_t epoch, std::vector<Stamp>& stamps) const {
  // `written_` is loaded first, so it can only be too old: after a concurrent reset `first` is not
  // below `end`.
  const std::uint64_t end = written_.load(kAcquire);
  if (epoch_.load(kAcquire) != epoch) return;
  read_slots(std::max(first_.load(kAcquire), oldest(end)), end, stamps);
}

std::uint64_t Track::read_since(std::uint64_t begin, std::vector<Stamp>& stamps) const {
  const std::uint64_t end = written_.load(kAcquire);
  read_slots(std::max(begin, oldest(end)), end, stamps);
  return end;
}

void Track::read_slots(std::uint64_t begin, std::uint64_t end, std::vector<Stamp>& stamps) const {
  if (begin >= end) return;
  const std::size_t kept = stamps.size();
  for (std::uint64_t i = begin; i < end; ++i) {
    const Slot& slot = slots_[i % slot_count_];
    stamps.push_back({static_cast<Stage>(slot.stage.load(kAcquire)), worker_,
                      slot.sequence.load(kAcquire),
                      static_cast<std::int64_t>(slot.begin.load(kAcquire)),
                      static_cast<std::int64_t>(slot.end.load(kAcquire))});
  }
  // Stamps are dropped when their slots have been overwritten, or are being overwritten, during the
  // read.
  const std::uint64_t whole = oldest(written_.load(kRelaxed));
  const std::uint64_t torn = std::clamp(whole, begin, end) - begin;
  const auto from = stamps.begin() + static_cast<std::ptrdiff_t>(kept);
  stamps.erase(from, from + static_cast<std::ptrdiff_t>(torn));
}

Timeline::Timeline(std::size_t tracks, std::size_t stamps_per_track) : started_ns_(now_ns()) {
  tracks_.reserve(tracks);
  for (std::size_t worker = 0; worker < tracks; ++worker) {
    tracks_.push_back(
        std::make_unique<Track>(epoch_, static_cast<std::uint32_t>(worker), stamps_per_track));
  }
}

void Timeline::reset() {
  started_ns_.store(now_ns(), kRelaxed);
  epoch_.fetch_add(1, kRelaxed);
}

TimelineTotals Timeline::snapshot() const {
  TimelineTotals result;
  const std::uint64_t epoch = epoch_.load(kRelaxed);
  for (const auto& track : tracks_) {
    std::array<StageTotals, kStages> totals;
    while (!track->read_totals(epoch, totals)) {
    }
    for (std::size_t i = 0; i < kStages; ++i) merge(result.stages[i], totals[i]);
  }
  result.elapsed_ns = now_ns() - started_ns_.load(kRelaxed);
  return result;
}

std::vector<Stamp> Timeline::stamps() const {
  std::vector<Stamp> result;
  const std::uint64_t epoch = epoch_.load(kRelaxed);
  for (const auto& track : tracks_) track->read_stamps(epoch, result);
  std::stable_sort(result.begin(), result.end(),
                   [](const Stamp& a, const Stamp& b) { return a.begin_ns < b.begin_ns; });
  return result;
}

void Timeline::read_since(Cursor& cursor, std::vector<Stamp>& stamps) const {
  cursor.next.resize(tracks_.size(), 0);
  for (std::size_t i = tracks_.size(); i-- > 0;) {
    cursor.next[i] = tracks_[i]->read_since(cursor.next[i], stamps);
  }
}

}  // namespace stoker

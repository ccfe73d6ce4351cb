// The timeline records how long every stage of a batch took, stamped by the thread that ran it. The
// verdict, the progress bar and the throughput model read it.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "stoker/histogram.h"

namespace stoker {

enum class Stage : std::uint8_t {
  generate,            // the user's source fills a slot
  convert,             // an adapter's conversion to the slot's types, which is a part of generate
  wait_for_slot,       // a worker waits for a free slot, because it is ahead
  wait_for_generator,  // the consumer waits for a full slot, because the worker is behind
  upload,              // the copy of a slot to the device
  wait_for_upload,     // a step waits for that copy
  launch,              // the host hands a step to the device
  compute,             // the device runs the step
  callback,            // the user's callbacks and the display
};
inline constexpr std::size_t kStages = 9;

// The name of the enumerator, for example "wait_for_generator".
const char* name_of(Stage stage);

// The time of steady_clock in nanoseconds.
inline std::int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// One stage of one batch. `worker` is the number of the track on which it was stamped.
struct Stamp {
  Stage stage{};
  std::uint32_t worker = 0;
  std::uint64_t sequence = 0;
  std::int64_t begin_ns = 0;
  std::int64_t end_ns = 0;
};

// All durations of a stage since the reset, however many stamps the rings still hold. All members
// are zero while count is zero.
struct StageTotals {
  std::uint64_t count = 0;
  std::int64_t sum_ns = 0;
  std::int64_t min_ns = 0;
  std::int64_t max_ns = 0;
  DurationHistogram durations;
};

struct TimelineTotals {
  std::array<StageTotals, kStages> stages{};
  std::int64_t elapsed_ns = 0;  // The time since the reset.

  const StageTotals& operator[](Stage stage) const {
    return stages[static_cast<std::size_t>(stage)];
  }
};

// The stamps of one thread. Only that thread calls `stamp`, which neither locks nor waits. It
// allocates at its first call only, because a feed has tracks for more workers than it may ever
// use. Other threads read through the Timeline.
class alignas(64) Track {
 public:
  // The Timeline makes its tracks, and they follow its epoch.
  Track(const std::atomic<std::uint64_t>& epoch, std::uint32_t worker, std::size_t stamps);
  // Allocates the room for stamps, which the first stamp would do otherwise. It is called by the
  // track's thread, or before that thread starts.
  void prepare();
  void stamp(Stage stage, std::uint64_t sequence, std::int64_t begin_ns, std::int64_t end_ns);

 private:
  friend class Timeline;

  // Every word is an atomic with a single writer, so that a reader may look at any time.
  using Word = std::atomic<std::uint64_t>;
  struct Slot {
    Word stage{0}, sequence{0}, begin{0}, end{0};
  };
  struct Totals {
    Word count{0}, sum{0}, min{0}, max{0};
    std::array<Word, DurationHistogram::kBuckets> buckets{};
  };

  void add(Stage stage, std::int64_t duration_ns);
  bool read_totals(std::uint64_t epoch, std::array<StageTotals, kStages>& totals) const;
  void read_stamps(std::uint64_t epoch, std::vector<Stamp>& stamps) const;
  // Appends those of the stamps from number `begin` on that the ring still holds, and returns the
  // number of the next one.
  std::uint64_t read_since(std::uint64_t begin, std::vector<Stamp>& stamps) const;
  void read_slots(std::uint64_t begin, std::uint64_t end, std::vector<Stamp>& stamps) const;
  // Returns the number of the oldest stamp that is whole while `written` have been written.
  std::uint64_t oldest(std::uint64_t written) const {
    return written < slot_count_ ? 0 : written + 1 - slot_count_;
  }

  const Word& timeline_epoch_;
  const std::uint32_t worker_;
  // This is one more than are kept, because one slot may be half written.
  const std::size_t slot_count_;
  std::unique_ptr<Slot[]> slots_;  // Null before the first stamp.
  Word written_{0};  // The number of stamps ever; stamp i lies in slot i % slot_count_.
  Word version_{0};  // Odd while the members below and the totals are being changed.
  Word first_{0};    // The number of the epoch's first stamp.
  Word epoch_{0};    // The reset that the totals belong to.
  std::array<Totals, kStages> totals_;
};

// All tracks of a training run, which are made before its threads start. Any thread may read or
// reset the timeline while the tracks' threads stamp.
class Timeline {
 public:
  // Each track keeps its latest `stamps_per_track` stamps.
  explicit Timeline(std::size_t tracks, std::size_t stamps_per_track = 4096);

  std::size_t size() const { return tracks_.size(); }
  Track& track(std::size_t worker) { return *tracks_.at(worker); }

  // Starts an epoch, so that earlier stamps no longer count. A stage that is under way counts in
  // full in the epoch in which it ends.
  void reset();

  // Exact totals over all tracks. Each track is read between two stamps, never within one.
  TimelineTotals snapshot() const;

  // The stamps that the rings still hold, sorted by their begin. This call allocates.
  std::vector<Stamp> stamps() const;

  // A place up to which somebody has read the stamps. A new one stands before the first.
  struct Cursor {
    std::vector<std::uint64_t> next{};  // By track.
  };
  // Appends the stamps since the cursor and moves it on. They come track by track, the last track
  // first, and within a track in their order: where a step's stamp is there, so is that of the
  // worker that filled its batch before. Those that were overwritten before they were read are
  // missing; resets make no difference.
  void read_since(Cursor& cursor, std::vector<Stamp>& stamps) const;

 private:
  std::atomic<std::uint64_t> epoch_{0};
  std::atomic<std::int64_t> started_ns_;
  std::vector<std::unique_ptr<Track>> tracks_;
};

// Stamps a stage from its construction to its destruction.
class ScopedStamp {
 public:
  ScopedStamp(Track& track, Stage stage, std::uint64_t sequence)
      : track_(track), stage_(stage), sequence_(sequence), begin_ns_(now_ns()) {}
  ~ScopedStamp() { track_.stamp(stage_, sequence_, begin_ns_, now_ns()); }
  ScopedStamp(const ScopedStamp&) = delete;
  ScopedStamp& operator=(const ScopedStamp&) = delete;

 private:
  Track& track_;
  Stage stage_;
  std::uint64_t sequence_;
  std::int64_t begin_ns_;
};

}  // namespace stoker

// The feed: threads that pull batches from a source into a ring of pinned slots, ahead of the step
// that consumes them in order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/timeline.h"
#include "device/device.h"
#include "device/ring_state.h"
#include "feed/starvation.h"
#include "stoker/report.h"
#include "stoker/source.h"

namespace stoker::feed {

// The layout of fields in a slot's one contiguous block: a header, then each field at a multiple of
// 256 bytes, in the order of the spec.
using device::kHeaderBytes;
using device::SlotHeader;

inline constexpr int kDeviceSlots = 3;
// The most workers that AUTOTUNE takes. A generator that waits for a disk or a network can use many
// more threads than there are cores.
inline constexpr int kMostTunedWorkers = 64;

struct SlotLayout {
  // The constructor throws ShapeError for fields without a known size or with different batch
  // sizes.
  explicit SlotLayout(const BatchSpec& spec);
  // Returns the layout of the host's slots. For a source that fills the device's memory, a slot
  // holds only its note of host_bytes(), as field 0.
  static SlotLayout of_host(Source& source);
  std::vector<std::size_t> offsets;  // by field
  std::size_t bytes = 0;             // of the whole block
  std::size_t row_bytes = 0;         // of one row of all fields, without padding

 private:
  SlotLayout() = default;
};

struct FeedOptions {
  std::int64_t epochs = 1;       // how many to run, from first_epoch on
  std::int64_t first_epoch = 0;  // above 0 when training is resumed
  // Without a value an epoch lasts until the source ends it.
  std::optional<std::int64_t> steps_per_epoch{};
  // The number of batches filled ahead of the step, at least 1. AUTOTUNE takes as many as help,
  // within queue_bytes.
  int max_queue_size = 10;
  // The number of threads that fill, at least 1, or AUTOTUNE. A source that is not pure has one in
  // any case. The ring has a slot for each thread and one for the step, even if max_queue_size is
  // less.
  int workers = 1;
  int max_workers = kMostTunedWorkers;  // the most that AUTOTUNE takes
  std::uint64_t seed = 0;
  bool shuffle = false;  // the order of batches of a source with shuffles_batches()
  NanPolicy nan_policy = NanPolicy::stop;
  // The time for which one batch may be waited for; 0 or infinity is for ever.
  double timeout_seconds = 0.0;
  std::size_t queue_bytes = std::size_t{256} << 20;  // the most that a ring of AUTOTUNE's takes
  std::size_t stamps_per_track = 1024;               // stamps that the timeline keeps
  // This function gets each warning for the user during training, as a line without its end, on the
  // thread that calls next() or constructs the feed. Without a function warnings go to standard
  // error.
  std::function<void(const std::string&)> warn{};
  // next() calls this function now and then while it waits. If it returns true, next() gives up, as
  // after stop().
  std::function<bool()> should_stop{};
};

// A batch in its slot, valid until it is released.
struct Batch {
  std::byte* block = nullptr;
  BatchContext* context = nullptr;  // for a source's DeviceFiller
  std::int64_t rows = 0;
  std::int64_t sequence = 0;   // BatchContext's
  std::uint64_t position = 0;  // in the ring, for release()
  std::int64_t filled_ns = 0;  // when it was filled, on the host's clock
  bool was_awaited = false;    // it was not yet filled when it was asked for
};

// One consumer thread calls next() and release(); the feed's own threads fill. Every batch is
// pulled exactly once. At most max_queue_size + 1 batches, or one more than there are workers, are
// pulled ahead of the step, across the ends of epochs, and never more than epochs * steps_per_epoch
// in all. The destructor stops and joins the threads; a call of fill() that is under way finishes
// first. With a timeout, a call that has lasted for so long is abandoned: its thread ends when the
// call does, and keeps the memory that it writes to until then.
//
// A source that is not pure serves one feed at a time.
//
// With steps_per_epoch, epochs of the training divide one stream of batches. A source that knows
// its batches_per_epoch is passed through to its end and then begun again; where a pass ends within
// an epoch, that epoch is cut short (Keras does the same and warns). Any other source begins its
// epochs with the training's, and is expected not to end.
//
// Batches come in the same order, with the same random numbers, for any number of workers.
class Feed {
 public:
  // Starts to pull batches. Throws ValueError for an option out of range, an endless source without
  // steps_per_epoch, or a source that serves another feed and is not pure; ShapeError for a spec
  // that no slot can hold; DeviceError when there is no memory for the ring, or no thread;
  // DataError for a source of 0 batches.
  Feed(std::shared_ptr<Source> source, FeedOptions options, device::Device& device);
  ~Feed();
  Feed(const Feed&) = delete;
  Feed& operator=(const Feed&) = delete;

  // Returns the next batch of the current epoch, and waits for it if necessary. Returns nothing
  // when the epoch is over: after steps_per_epoch batches, or when the source ended it. The next
  // call then begins the next epoch; after the last epoch, and once the source ran out, next()
  // always returns nothing. When the source threw, returned an impossible number of rows, wrote a
  // NaN, took too long, or gave no batch at all: next() joins the threads and throws DataError
  // naming the batch ("batch 17 (epoch 2, batch 7 of it)", all counted from 1), with the original
  // exception nested; so does every later call. Throws ValueError when the caller still holds the
  // slot that the next batch would lie in, max_queue_size + 1 batches before. Allocates nothing.
  std::optional<Batch> next();
  // Returns whether the batch that next() would return can't be filled before an earlier one is
  // released, because it needs the slot of that one, or its place in the queue. The oldest must
  // then be released first.
  bool holds_next_slot() const;
  // Gives the batch's slot back. The step that read it must be done.
  void release(const Batch& batch);
  // Returns whether the source ended for good although more batches were due: before
  // steps_per_epoch or its own batches_per_epoch, or at the very beginning of an epoch after the
  // first. The epoch was then cut short, and there are no more epochs.
  bool ran_out() const;
  // Stops pulling, so that next() returns nothing any more.
  void stop();
  // Reports that the source's DeviceFiller failed on the batch of the last next(). The exception
  // that is being handled counts as if it had been thrown in the feed.
  [[noreturn]] void fail(const Batch& batch, const std::string& what);

  // These tell the feed the time that one step, or one upload, took by itself. AUTOTUNE compares
  // the generator with them.
  void note_step(std::int64_t ns);
  void note_upload(std::int64_t ns);

  // Makes next() call `on_wait` now and then while it waits. A consumer that knows more than the
  // feed does uses it to decide itself when the device starves.
  void watch(std::function<void(std::int64_t now_ns)> on_wait);
  // Warns the user that the device starves. Only the first call warns.
  void warn_of_starvation(const Starvation::Found& found);

  const SlotLayout& layout() const;  // the layout of the host's slots
  int ring_size() const;
  int workers() const;     // workers that fill at present
  int queue_size() const;  // batches that may be filled ahead at present
  // `batches` is at most the number of slots that there are.
  void set_queue_size(int batches);

  // Returns what was measured since the last call: the time of waiting in next() and in the
  // generator, batches and bytes. The caller adds wall, computed and other. Only the consumer
  // thread may call it.
  FeedReport take_report();
  // Returns the timeline: the stamps of the workers on tracks 0, 1, ..., then a track each for the
  // consumer and the device's two streams.
  const Timeline& timeline() const;
  Timeline& timeline();
  std::size_t consumer_track() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace stoker::feed

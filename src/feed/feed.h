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
#include "feed/ring/feed_options.h"
#include "feed/ring/slot_layout.h"
#include "feed/ring/thread_times.h"
#include "stoker/report.h"
#include "stoker/source.h"

namespace stoker::feed {

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
  // A wait of next() for a batch.
  struct Wait {
    std::int64_t begin_ns = 0;
    std::int64_t now_ns = 0;
    bool is_over = false;
  };
  // next() calls this function on its own thread: some twenty times a second while it waits, and
  // once when it has waited for something and got it.
  using OnWait = std::function<void(const Wait&)>;

  // Starts to pull batches. Throws ValueError for an option out of range, an endless source without
  // steps_per_epoch, or a source that serves another feed and is not pure; ShapeError for a spec
  // that no slot can hold; DeviceError when there is no memory for the ring, or no thread;
  // DataError for a source of 0 batches.
  Feed(std::shared_ptr<Source> source, FeedOptions options, device::Device& device,
       OnWait on_wait = {});
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
  // Returns the place after the batch that next() returned last or, if it returned nothing because
  // an epoch is over, the beginning of the next epoch. This is cheap: it copies nothing.
  Position position() const;
  // Stops pulling, so that next() returns nothing any more.
  void stop();
  // Reports that the source's DeviceFiller failed on the batch of the last next(). The exception
  // that is being handled counts as if it had been thrown in the feed.
  [[noreturn]] void fail(const Batch& batch, const std::string& what);

  const SlotLayout& layout() const;  // the layout of the host's slots
  int ring_size() const;

  // The feed begins with as many workers and as deep a queue as its options ask for; where they say
  // AUTOTUNE, it is the caller who changes them, within max_workers() and the ring's size.
  int workers() const;  // workers that fill at present
  int max_workers() const;
  void set_workers(int workers);
  int queue_size() const;  // batches that may be filled ahead at present
  void set_queue_size(int batches);

  // Return how many batches are ready or being read, and since when next() has been waiting for one,
  // or 0 if it is not. They are for displays; any thread may call them.
  int filled() const;
  std::int64_t waiting_since_ns() const;

  // Returns Source::stages(). Any thread may call it.
  std::vector<StageReport> source_stages() const;

  // Returns the shares of the workers' time inside of the source.
  CoreShares core_shares() const;
  // Describes for messages the batch that next() returns next: "batch 17 of this fit", and, while
  // next() waits for it, which worker is at it.
  std::string describe_next() const;

  // Returns what was measured since the last call: the time of waiting in next() and in the
  // generator, batches and bytes. The caller adds wall, computed and other, and whether it tuned.
  // Only the consumer thread may call it.
  FeedReport take_report();
  // Returns what take_report() would, and goes on measuring.
  FeedReport report_so_far() const;
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

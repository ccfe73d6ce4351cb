// What a feed is asked for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "stoker/source.h"

namespace stoker::feed {

// The most workers that AUTOTUNE takes. A generator that waits for a disk or a network can use many
// more threads than there are cores.
inline constexpr int kMostTunedWorkers = 64;

// The place in a training before the batch that next() returns next, and what a later feed needs to
// begin there (FeedOptions::resume_at). Batches that nan_policy skipped count as others do. `step`
// may be all of an epoch's batches: a feed that begins there first says that the epoch is over.
struct Position {
  std::int64_t epoch = 0;    // of the training
  std::int64_t step = 0;     // batches of this epoch that were asked for
  std::int64_t batches = 0;  // batches of the training that were asked for: BatchContext::sequence
  // What the source saved after the last of these batches; empty if it saves no state. It is the
  // feed's, and valid until the next call of next().
  std::span<const std::byte> source_state{};
};

struct FeedOptions {
  const char* what = "fit";      // the call that the feed is for, for messages
  std::int64_t epochs = 1;       // how many to run, from first_epoch on
  std::int64_t first_epoch = 0;  // above 0 when training is resumed
  // These say where training that is resumed begins, and are Position's `step`, `batches` and
  // `source_state`.
  std::int64_t first_step = 0;
  std::int64_t first_batch = 0;
  std::vector<std::byte> source_state{};
  // The most bytes that a source may save as its state after a batch.
  std::size_t max_state_bytes = std::size_t{64} << 10;
  // Whether the source's state is saved after each batch. Where nobody asks for the position, as in
  // evaluations, that is work for nothing.
  bool saves_state = true;
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
  // What to do with a batch that the source throws on instead of making it, and how many of them
  // may be passed over.
  OnError on_error = OnError::stop;
  std::int64_t max_failures = kMaxFailures;
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

  // Makes the feed begin at a position that an earlier feed reported. The caller sets `epochs`.
  void resume_at(const Position& position);

  // Gives the user a warning, by `warn` or on standard error.
  void give_warning(const std::string& what) const;
};

}  // namespace stoker::feed

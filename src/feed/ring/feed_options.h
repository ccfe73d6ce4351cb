// What a feed is asked for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "stoker/source.h"

namespace stoker::feed {

// The most workers that AUTOTUNE takes. A generator that waits for a disk or a network can use many
// more threads than there are cores.
inline constexpr int kMostTunedWorkers = 64;

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

  // Gives the user a warning, by `warn` or on standard error.
  void give_warning(const std::string& what) const;
};

}  // namespace stoker::feed

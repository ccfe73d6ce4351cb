// The size of a feed's ring and the number of workers that fill it, from the options and the
// source.
#pragma once

#include <string>

#include "feed/ring/feed_options.h"

namespace stoker::feed {

struct Sizes {
  int slots = 1;    // of the ring
  int depth = 1;    // slots that are used at first
  int workers = 1;  // the most workers
  int active = 1;   // the workers at first
  // True if AUTOTUNE gets fewer workers than max_workers, because their slots would take more than
  // queue_bytes.
  bool limited_by_memory = false;
};

// Returns the sizes, and checks the options too: throws ValueError, or DataError for a source of 0
// batches. On a device that reads host memory AUTOTUNE begins with few workers, since they take
// cores from the step there; elsewhere it begins with many, so that the beginning is not slow.
Sizes sizes_of(const FeedOptions& options, Source& source, bool shares_cores);

// Returns the number of slots for so many workers, where `queued` slots and one for the step were
// asked for. Those suffice if they are one for each worker. Otherwise each worker gets one to fill,
// with one more that the step reads, and further ones that are being uploaded if the device has
// slots of its own.
inline int slots_for_workers(int workers, int queued, int device_slots) {
  return workers <= queued ? queued + 1 : workers + 1 + device_slots;
}

// Returns why a source has one worker although more were asked for, and what to do about it; empty
// if that is not so.
std::string why_one_worker(const FeedOptions& options, const Source& source);

int cores();

}  // namespace stoker::feed

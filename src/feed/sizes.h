// The size of a feed's ring and the number of workers that fill it, from the options and the
// source.
#pragma once

#include <string>

#include "feed/feed.h"

namespace stoker::feed {

struct Sizes {
  int slots = 1;    // of the ring
  int depth = 1;    // of those, used at first
  int workers = 1;  // at most
  int active = 1;   // at first
  // AUTOTUNE may not have as many workers as max_workers, since their slots would take more than
  // queue_bytes.
  bool limited_by_memory = false;
};

// Checks the options too: throws ValueError, or DataError for a source of 0 batches. On a device
// that reads host memory AUTOTUNE begins from below, since workers cost the step its cores there;
// elsewhere from above, so that the beginning is not slow.
Sizes sizes_of(const FeedOptions& options, Source& source, bool shares_cores);

// The number of slots that so many workers use, where `queued` and one for the step were asked for:
// as many, if that is one for each of them. Otherwise each fills one while the step reads another,
// and while others are uploaded where the device has slots of its own.
inline int slots_for_workers(int workers, int queued, int device_slots) {
  return workers <= queued ? queued + 1 : workers + 1 + device_slots;
}

// Why a source has one worker although more were asked for, and what to do about it; empty where
// that is not so.
std::string why_one_worker(const FeedOptions& options, const Source& source);

int cores();

}  // namespace stoker::feed

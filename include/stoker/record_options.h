// The options of sources that read records from shards: TFRecord, tar, lines of text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "stoker/failures.h"
#include "stoker/read_limits.h"

namespace stoker {

// Shards are files, in the order in which they are named. A name may stand for several: braces hold
// a range of numbers, with as many digits, or words: "train-{000..127}.tar", "{a,b}.txt".
//
// Where no shard is gzipped, its records are found when the source is made, and can be asked for by
// number: in any order, by all workers of the feed, and from any batch on. Records of gzipped
// shards come one after another, and how many there are is known at the end of a pass.
struct RecordOptions {
  // Shards in another order in each epoch; the records of each stay in theirs. For an even order of
  // records that can be asked for by number, call shuffle() with their number instead.
  bool shuffle_shards = false;
  std::uint64_t seed = 0;
  ReadLimits limits{};  // of each record, or sample
  ImageLimits image_limits{};
  // Threads of its own where records can be asked for by number, and what is done with those that
  // can't be read: see MapOptions. A shard whose structure is damaged is refused as a whole when it
  // is opened; of one that is gzipped, what comes behind the damage is passed over by
  // OnError::skip.
  std::optional<int> workers{};
  OnError on_error = OnError::stop;
  std::int64_t max_failures = kMaxFailures;
};

// Returns the names that a name with braces stands for. Throws ValueError for braces that make no
// sense and for more than 2^20 names.
std::vector<std::string> expand_shards(const std::string& name);

}  // namespace stoker

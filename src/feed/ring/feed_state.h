// The place of a feed as bytes, from which another feed goes on: in a checkpoint, or in what a
// program keeps of its own loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "feed/ring/feed_options.h"
#include "stoker/source.h"

namespace stoker::feed {

struct FeedState {
  std::uint64_t seed = 0;  // FeedOptions::seed
  // These are Position's.
  std::int64_t epoch = 0;
  std::int64_t step = 0;
  std::int64_t batches = 0;
  std::vector<std::byte> source_state{};
  // What the source was like, so that another one is refused: a number that stands for its kind and
  // fields, and the batches of its epochs, or -1 if they were not known.
  std::uint64_t source = 0;
  std::int64_t length = -1;

  Position position() const { return {epoch, step, batches, source_state}; }
  void set(const Position& position);

  // Notes what the source is like.
  void set(const Source& source);

  // Returns the bytes: 68, and what the source saved. They have a checksum.
  std::vector<std::byte> to_bytes() const;
  // Throws ValueError for bytes that are damaged, or of another version. `what` names the call.
  static FeedState from_bytes(std::span<const std::byte> bytes, const char* what);
};

// Throws ValueError if the state is that of a source of another kind, of other fields, or with
// another number of batches.
void check_source(const FeedState& state, const Source& source, const char* what);

}  // namespace stoker::feed

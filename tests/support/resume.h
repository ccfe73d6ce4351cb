// Runs a feed from its beginning, and again from each place on the way, and compares.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "feed/feed.h"
#include "stoker/generator.h"

namespace stoker::test {

// What Feed::next() returned.
struct Returned {
  bool is_batch = false;  // or else the end of an epoch
  std::int64_t rows = 0;
  std::int64_t sequence = 0;
  std::string bytes{};  // of the rows of all fields
  friend bool operator==(const Returned&, const Returned&) = default;
};

// A position whose state stays as long as the object.
struct KeptPosition {
  explicit KeptPosition(const feed::Position& position)
      : position(position), state(position.source_state.begin(), position.source_state.end()) {}
  feed::Position get() const {
    feed::Position copy = position;
    copy.source_state = state;
    return copy;
  }
  feed::Position position;
  std::vector<std::byte> state;
};

struct Run {
  std::vector<Returned> returned{};
  std::vector<KeptPosition> positions{};  // before the first call of next(), and after each
  bool ran_out = false;                   // then nothing can follow
};

// Runs a feed to its end, or until next() has returned `most` times.
Run run_feed(const SourceHandle& source, const feed::FeedOptions& options,
             std::size_t most = std::string::npos);

// Makes the source of a run. Where it makes another one each time, runs are like those of programs
// that don't know of each other; where it gives the same one, like fits of one program.
using MakeSource = std::function<SourceHandle()>;

// Checks that a feed which begins at any position of the whole run gives the rest of it: with
// another number of workers and another queue each time, and once more from the middle of that.
void expect_resumes_everywhere(const MakeSource& make, const feed::FeedOptions& options,
                               const std::string& what);

}  // namespace stoker::test

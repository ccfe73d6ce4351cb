// A source that is not pure serves one feed at a time.
#pragma once

#include "stoker/source.h"

namespace stoker::feed {

// Holds a source for a feed as long as this object lives. A pure source may have any number of
// holders.
class SourceClaim {
 public:
  // Throws ValueError when another feed holds the source, by itself or in an adapter. `what` is the
  // call that the feed is for.
  SourceClaim(const Source& source, const char* what);
  ~SourceClaim();
  SourceClaim(const SourceClaim&) = delete;
  SourceClaim& operator=(const SourceClaim&) = delete;

 private:
  const Source* held_;  // null where it is pure
};

}  // namespace stoker::feed

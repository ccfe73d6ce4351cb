#include "feed/ring/feed_options.h"

#include <iostream>

namespace stoker::feed {

void FeedOptions::resume_at(const Position& position) {
  first_epoch = position.epoch;
  first_step = position.step;
  first_batch = position.batches;
  source_state.assign(position.source_state.begin(), position.source_state.end());
}

void FeedOptions::give_warning(const std::string& what) const {
  if (warn) {
    warn(what);
  } else {
    std::cerr << "Warning: " << what << '\n';
  }
}

}  // namespace stoker::feed

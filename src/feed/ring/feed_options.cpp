#include "feed/ring/feed_options.h"

#include <iostream>

namespace stoker::feed {

void FeedOptions::give_warning(const std::string& what) const {
  if (warn) {
    warn(what);
  } else {
    std::cerr << "Warning: " << what << '\n';
  }
}

}  // namespace stoker::feed

// State that a source's half on the device keeps for each stream that it fills on.
#pragma once

#include <map>
#include <mutex>
#include <utility>

#include "device/device.h"

namespace stoker::feed {

// Several feeds may fill on one stream (a fit's and its validation's on the CPU): what is kept for
// a stream goes with the last of them. Synchronised; a T stays where it is until then.
template <class T>
class ByStream {
 public:
  // `make` gives a T where the stream has none. Called under the lock.
  template <class Make>
  void open(device::Stream& stream, Make&& make) {
    const std::lock_guard lock(mutex_);
    auto found = kept_.find(&stream);
    if (found == kept_.end()) found = kept_.emplace(&stream, Entry{make(), 0}).first;
    ++found->second.feeds;
  }
  void close(device::Stream& stream) {
    const std::lock_guard lock(mutex_);
    const auto found = kept_.find(&stream);
    if (found != kept_.end() && --found->second.feeds == 0) kept_.erase(found);
  }
  // The value of a stream that is open.
  T& at(device::Stream& stream) {
    const std::lock_guard lock(mutex_);
    return kept_.at(&stream).value;
  }

 private:
  struct Entry {
    T value;
    int feeds = 0;
  };
  std::mutex mutex_;
  std::map<device::Stream*, Entry> kept_;
};

}  // namespace stoker::feed

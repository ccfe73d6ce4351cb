// The state that a DeviceFiller keeps for each stream that it fills on.
#pragma once

#include <map>
#include <mutex>
#include <utility>

#include "device/device.h"

namespace stoker::feed {

// Several feeds may fill on one stream (on the CPU, a fit's and its validation's); a stream's value
// is destroyed with the last of them and does not move before. Access is synchronised.
template <class T>
class ByStream {
 public:
  // Opens a stream. If the stream has no value yet, `make` makes one, under the lock.
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
  // Returns the value of an open stream.
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

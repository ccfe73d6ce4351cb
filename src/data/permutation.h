// Orders of rows, one for each epoch.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace stoker::data {

// The shuffled numbers [0, size) of an epoch: a function of (seed, epoch). Any thread may ask for
// any epoch. Remembers two, so that a feed that reads ahead into the next epoch, or a second feed
// on the same source, finds its own.
class Permutations {
 public:
  using Order = std::vector<std::int64_t>;

  Permutations(std::int64_t size, std::uint64_t seed) : size_(size), seed_(seed) {}
  std::shared_ptr<const Order> of_epoch(std::int64_t epoch);

 private:
  struct Entry {
    std::int64_t epoch = -1;
    std::shared_ptr<Order> order;
  };

  const std::int64_t size_;
  const std::uint64_t seed_;
  std::mutex mutex_;
  std::array<Entry, 2> entries_;  // the one asked for last comes first
};

}  // namespace stoker::data

// Orders of rows, one for each epoch.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

namespace stoker::data {

// The shuffled numbers [0, size) of an epoch: a function of (seed, epoch). Any thread may ask for
// any epoch. The object remembers two, so that a feed that reads ahead into the next epoch, or a
// second feed on the same source, finds its own; allocates only for the first two, and for more
// readers than that.
class Permutations {
  struct Entry;

 public:
  // Holds an order in place while it is read.
  class Order {
   public:
    Order(Permutations& owner, Entry& entry) : owner_(owner), entry_(entry) {}
    ~Order();
    Order(const Order&) = delete;
    Order& operator=(const Order&) = delete;
    std::span<const std::int64_t> rows() const { return entry_.rows; }

   private:
    Permutations& owner_;
    Entry& entry_;
  };

  Permutations(std::int64_t size, std::uint64_t seed) : size_(size), seed_(seed) {}
  Order of_epoch(std::int64_t epoch);

 private:
  struct Entry {
    std::int64_t epoch = -1;
    int readers = 0;
    std::uint64_t asked = 0;  // when last, in calls
    std::vector<std::int64_t> rows;
  };

  Entry& oldest_unread();

  const std::int64_t size_;
  const std::uint64_t seed_;
  std::mutex mutex_;
  std::uint64_t calls_ = 0;
  std::vector<std::unique_ptr<Entry>> entries_;
};

}  // namespace stoker::data

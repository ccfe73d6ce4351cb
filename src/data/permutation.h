// Orders of rows, one for each epoch.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

namespace stoker::data {

// The shuffled numbers [0, size) of an epoch: a function of (seed, epoch). Any thread may ask for
// any epoch. The object remembers two orders, so that a feed that reads ahead into the next epoch,
// and a second feed on the same source, each find their own. It allocates only for the first two,
// and for more readers than that.
class Permutations {
  struct Entry;

 public:
  // Keeps an order in memory while it is read.
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
    std::uint64_t asked = 0;  // the number of the call that last asked for it
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

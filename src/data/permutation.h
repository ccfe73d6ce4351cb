// Orders of rows, one for each epoch.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

namespace stoker::data {

// The shuffled numbers [0, size) of an epoch: a function of (seed, epoch), or of the epoch alone.
// Any thread may ask for any epoch. The object remembers two orders, so that a feed that reads
// ahead into the next epoch, and a second feed on the same source, each find their own. It
// allocates only for the first two, and for more readers than that.
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

  // Writes the order of an epoch.
  using Shuffle = std::function<void(std::vector<std::int64_t>& rows, std::int64_t epoch)>;

  // All orders are equally likely.
  Permutations(std::int64_t size, std::uint64_t seed);
  Permutations(std::int64_t size, Shuffle shuffle) : size_(size), shuffle_(std::move(shuffle)) {}
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
  const Shuffle shuffle_;
  std::mutex mutex_;
  std::uint64_t calls_ = 0;
  std::vector<std::unique_ptr<Entry>> entries_;
};

}  // namespace stoker::data

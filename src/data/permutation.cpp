#include "data/permutation.h"

#include <numeric>
#include <utility>

#include "data/source_random.h"

namespace stoker::data {
namespace {

// Fisher and Yates's shuffle (Knuth, The Art of Computer Programming 2, algorithm 3.4.2P), from the
// identity, so that no epoch depends on the one before.
void shuffle(Permutations::Order& order, std::uint64_t seed, std::int64_t epoch) {
  Random random = source_random(seed, epoch, RandomStage::shuffle);
  std::iota(order.begin(), order.end(), std::int64_t{0});
  for (std::size_t i = order.size(); i > 1; --i) {
    const auto j = static_cast<std::size_t>(random.integer(0, static_cast<std::int64_t>(i)));
    std::swap(order[i - 1], order[j]);
  }
}

}  // namespace

std::shared_ptr<const Permutations::Order> Permutations::of_epoch(std::int64_t epoch) {
  const std::lock_guard lock(mutex_);
  if (entries_[0].epoch == epoch) return entries_[0].order;
  std::swap(entries_[0], entries_[1]);
  Entry& entry = entries_[0];
  if (entry.epoch == epoch) return entry.order;
  // Somebody may still be reading the order that goes.
  if (entry.order.use_count() != 1) {
    entry.order = std::make_shared<Order>(static_cast<std::size_t>(size_));
  }
  entry.epoch = epoch;
  shuffle(*entry.order, seed_, epoch);
  return entry.order;
}

}  // namespace stoker::data

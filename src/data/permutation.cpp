#include "data/permutation.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "data/source_random.h"

namespace stoker::data {
namespace {

constexpr std::size_t kRemembered = 2;

// Shuffles by Fisher and Yates's method (Knuth, The Art of Computer Programming 2, algorithm
// 3.4.2P). It begins with the identity, so that no epoch depends on the one before.
void shuffle(std::vector<std::int64_t>& rows, std::uint64_t seed, std::int64_t epoch) {
  Random random = source_random(seed, epoch, RandomStage::shuffle);
  std::iota(rows.begin(), rows.end(), std::int64_t{0});
  for (std::size_t i = rows.size(); i > 1; --i) {
    const auto j = static_cast<std::size_t>(random.integer(0, static_cast<std::int64_t>(i)));
    std::swap(rows[i - 1], rows[j]);
  }
}

}  // namespace

Permutations::Permutations(std::int64_t size, std::uint64_t seed)
    : Permutations(size, [seed](std::vector<std::int64_t>& rows, std::int64_t epoch) {
        shuffle(rows, seed, epoch);
      }) {}

Permutations::Order::~Order() {
  const std::lock_guard lock(owner_.mutex_);
  --entry_.readers;
}

// Returns the unread entry that was asked for the longest time ago, or a new one if all are being
// read.
Permutations::Entry& Permutations::oldest_unread() {
  Entry* oldest = nullptr;
  for (const auto& entry : entries_) {
    if (entry->readers > 0) continue;
    if (oldest == nullptr || entry->asked < oldest->asked) oldest = entry.get();
  }
  if (oldest != nullptr && entries_.size() >= kRemembered) return *oldest;
  entries_.push_back(std::make_unique<Entry>());
  entries_.back()->rows.resize(static_cast<std::size_t>(size_));
  return *entries_.back();
}

Permutations::Order Permutations::of_epoch(std::int64_t epoch) {
  const std::lock_guard lock(mutex_);
  const auto known = std::ranges::find_if(
      entries_, [&](const std::unique_ptr<Entry>& entry) { return entry->epoch == epoch; });
  Entry& entry = known != entries_.end() ? **known : oldest_unread();
  if (entry.epoch != epoch) {
    entry.epoch = -1;  // in case that it throws
    shuffle_(entry.rows, epoch);
    entry.epoch = epoch;
  }
  entry.asked = ++calls_;
  ++entry.readers;
  return {*this, entry};
}

}  // namespace stoker::data

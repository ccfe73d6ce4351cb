// The orders that a Dataset's shuffle gives elements in.
#include "stoker/detail/dataset_shuffle.h"

#include <utility>

#include "data/permutation.h"

namespace stoker::detail {

Random buffer_random(std::uint64_t seed, std::int64_t epoch, bool reshuffle, std::uint32_t stage) {
  return element_random({seed, reshuffle ? epoch : 0}, stage, 0);
}

namespace {

// Writes the order in which numbers leave a buffer that each is drawn from.
void draw_from_buffer(std::vector<std::int64_t>& rows, std::int64_t buffer, Random& random) {
  const auto all = static_cast<std::int64_t>(rows.size());
  std::vector<std::int64_t> waiting;
  waiting.reserve(static_cast<std::size_t>(buffer));
  std::int64_t next = 0;
  for (std::int64_t& row : rows) {
    while (next < all && std::ssize(waiting) < buffer) waiting.push_back(next++);
    std::swap(waiting[static_cast<std::size_t>(random.integer(0, std::ssize(waiting)))],
              waiting.back());
    row = waiting.back();
    waiting.pop_back();
  }
}

}  // namespace

struct EpochOrder::Impl {
  template <class Order>
  Impl(std::int64_t size, Order order, bool again) : permutations(size, order), reshuffle(again) {}
  data::Permutations permutations;
  const bool reshuffle;
};

EpochOrder::EpochOrder(std::int64_t size, std::int64_t buffer, std::uint64_t seed, bool reshuffle,
                       std::uint32_t stage) {
  if (buffer >= size) {
    impl_ = std::make_unique<Impl>(size, seed, reshuffle);
    return;
  }
  // A stage that isn't reshuffled asks for epoch 0 alone.
  const auto order = [=](std::vector<std::int64_t>& rows, std::int64_t epoch) {
    Random random = buffer_random(seed, epoch, true, stage);
    draw_from_buffer(rows, buffer, random);
  };
  impl_ = std::make_unique<Impl>(size, order, reshuffle);
}
EpochOrder::~EpochOrder() = default;

void EpochOrder::at(std::int64_t epoch, std::span<const std::int64_t> indices,
                    std::span<std::int64_t> out) const {
  const auto order = impl_->permutations.of_epoch(impl_->reshuffle ? epoch : 0);
  const std::span<const std::int64_t> rows = order.rows();
  for (std::size_t i = 0; i < indices.size(); ++i) {
    out[i] = rows[static_cast<std::size_t>(indices[i])];
  }
}

}  // namespace stoker::detail

#include <gtest/gtest.h>

#include <memory>
#include <new>
#include <vector>

#include "feed/feed.h"
#include "stoker/array_source.h"
#include "stoker/dataset.h"
#include "stoker/generator.h"
#include "support/allocation_counter.h"
#include "support/sanitizer.h"

#if !STOKER_SANITIZED_MALLOC

namespace stoker::feed {
namespace {

using test::AllocationCounter;

// The functions are called and not `new`, whose pairs with `delete` a compiler may drop.
TEST(AllocationCounter, counts_every_kind_of_allocation) {
  constexpr std::align_val_t kAlignment{64};
  const AllocationCounter allocations;
  void* volatile small = ::operator new(8);
  EXPECT_EQ(allocations.count(), 1U);
  void* volatile many = ::operator new[](100);
  EXPECT_EQ(allocations.count(), 2U);
  void* volatile aligned = ::operator new(64, kAlignment);
  EXPECT_EQ(allocations.count(), 3U);
  void* volatile memory = std::malloc(8);
  EXPECT_EQ(allocations.count(), 4U);
  EXPECT_EQ(allocations.count_of_this_thread(), 4U);
  std::free(memory);
  ::operator delete(aligned, kAlignment);
  ::operator delete[](many);
  ::operator delete(small);
}

std::int64_t run_epoch(Feed& feed) {
  std::int64_t batches = 0;
  while (const std::optional<Batch> batch = feed.next()) {
    feed.release(*batch);
    ++batches;
  }
  return batches;
}

// Epochs of a source, of which the first three may still allocate.
void expect_no_allocations(const std::shared_ptr<Source>& source,
                           std::optional<std::int64_t> steps_per_epoch) {
  const std::shared_ptr<device::Device> cpu = device::make_cpu_device();
  Feed feed(source, {.epochs = 10, .steps_per_epoch = steps_per_epoch, .max_queue_size = 4}, *cpu);
  for (int epoch = 0; epoch < 3; ++epoch) ASSERT_GT(run_epoch(feed), 0);
  const AllocationCounter allocations;
  for (int epoch = 3; epoch < 10; ++epoch) ASSERT_GT(run_epoch(feed), 0);
  EXPECT_EQ(allocations.count(), 0U);
}

TEST(Feed, allocates_nothing_in_the_steady_state) {
  const auto random = generator<float, std::int32_t>(
      {.x = {32, 8}, .y = {32}},
      [](BatchContext& batch, std::span<float> x, std::span<std::int32_t> y) {
        batch.random.fill_uniform(x);
        for (auto& label : y) label = static_cast<std::int32_t>(batch.random.integer(0, 10));
      });
  expect_no_allocations(random.source(), 1000);
}

TEST(Feed, allocates_nothing_for_the_states_of_a_source_and_for_its_position) {
  class Saving : public BatchGenerator<float> {
   public:
    Saving() : BatchGenerator({.x = {32}}) {}
    std::int64_t fill(BatchContext&, std::span<float>) override { return ++next_ % 100 ? 32 : 0; }
    bool saves_state() const override { return true; }
    void save_state(std::vector<std::byte>& state) override {
      for (int i = 0; i < 50; ++i) put_state(state, next_);
    }

   private:
    std::int64_t next_ = 0;
  };
  const std::shared_ptr<device::Device> cpu = device::make_cpu_device();
  Feed feed(std::make_shared<Saving>(), {.epochs = 10, .max_queue_size = 4}, *cpu);
  std::size_t bytes = 0;
  const auto run_and_ask = [&] {
    while (const std::optional<Batch> batch = feed.next()) {
      bytes = feed.position().source_state.size();
      feed.release(*batch);
    }
  };
  for (int epoch = 0; epoch < 3; ++epoch) run_and_ask();
  const AllocationCounter allocations;
  for (int epoch = 3; epoch < 10; ++epoch) run_and_ask();
  EXPECT_EQ(allocations.count(), 0U);
  EXPECT_EQ(bytes, 50 * sizeof(std::int64_t));
}

TEST(Feed, allocates_nothing_for_casts_and_for_ends_that_only_the_source_knows) {
  const auto doubles =
      cast<float>(generator<double>({.x = {32, 8}}, [](BatchContext& batch, std::span<double> x) {
        std::ranges::fill(x, 0.5);
        return batch.index < 1000 ? 32 : 0;
      }));
  expect_no_allocations(doubles.source(), std::nullopt);
}

TEST(Feed, allocates_nothing_for_shuffled_arrays) {
  expect_no_allocations(array_source(Tensor({1000, 8}), Tensor({1000}, DType::int32),
                                     {.batch_size = 7, .shuffle = true})
                            .source(),
                        std::nullopt);
}

TEST(Feed, allocates_nothing_for_several_targets_and_weights) {
  const Tensor x({1000, 8}), y(Shape{1000});
  expect_no_allocations(
      array_source({x}, {y, x}, {y, y}, {.batch_size = 7, .shuffle = true}).source(), std::nullopt);
}

// Within a pass: where one begins, its cursors are made.
void expect_no_allocations_within_a_pass(const std::shared_ptr<Source>& source) {
  const std::shared_ptr<device::Device> cpu = device::make_cpu_device();
  Feed feed(source, {.steps_per_epoch = 300, .max_queue_size = 4}, *cpu);
  const auto run = [&](int batches) {
    for (int i = 0; i < batches; ++i) {
      const std::optional<Batch> batch = feed.next();
      ASSERT_TRUE(batch.has_value());
      feed.release(*batch);
    }
  };
  run(50);
  const AllocationCounter allocations;
  run(200);
  EXPECT_EQ(allocations.count(), 0U);
}

TEST(Feed, a_dataset_allocates_nothing_in_the_steady_state) {
  const auto numbered = range(10000).shuffle(10000, 3).map<float>(
      {Shape{16}}, [](std::span<const std::int32_t> number, std::span<float> x) {
        std::ranges::fill(x, static_cast<float>(number[0]));
      });
  expect_no_allocations_within_a_pass(numbered.batch(8).source().source());
  const auto in_turn =
      numbered.filter([](std::span<const float> x) { return x[0] != 5.0f; }).shuffle(64, 2);
  expect_no_allocations_within_a_pass(in_turn.batch(8).source().source());
}

}  // namespace
}  // namespace stoker::feed

#endif  // !STOKER_SANITIZED_MALLOC

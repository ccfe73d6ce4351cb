// A fit that goes on in the middle of a pass gets the batches that one fit would have had.
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "device/device.h"
#include "feed/feed.h"
#include "support/temporary_folder.h"

namespace stoker {
namespace {

using Ints = std::vector<std::int32_t>;

Ints fed(const SourceHandle& source, feed::FeedOptions options) {
  const auto device = device::make_cpu_device();
  const std::int64_t epochs = options.epochs;
  feed::Feed feed(source.source(), std::move(options), *device);
  Ints all;
  for (std::int64_t epoch = 0; epoch < epochs; ++epoch) {
    while (const auto batch = feed.next()) {
      const auto* x =
          reinterpret_cast<const std::int32_t*>(batch->block + feed.layout().offsets[0]);
      all.insert(all.end(), x, x + batch->rows);
      feed.release(*batch);
    }
  }
  return all;
}

// Elements of known number that come one after another, and ones that can be asked for.
std::vector<std::pair<std::string, Dataset<std::int32_t>>> sources() {
  const auto noise = [](MapContext& context, std::span<std::int32_t> x) {
    x[0] = 100 * x[0] + static_cast<std::int32_t>(context.random.integer(0, 100));
  };
  const auto numbers = range(22);
  return {{"by number", numbers.shuffle(22, 1).map(noise).batch(4)},
          {"prefetch", numbers.prefetch(2).shuffle(3, 1).map(noise).batch(4)},
          {"shuffle", numbers.shuffle(5, 1).batch(4)},
          {"workers", numbers.shuffle(5, 1).map(noise, {.workers = 3}).batch(4)},
          {"prefetched batches", numbers.shuffle(5, 1).batch(4).prefetch(3)},
          {"cache", numbers.map(noise).cache().shuffle(5, 2).batch(4)},
          {"repeat", numbers.take(11).shuffle(5, 1).repeat(2).batch(4)},
          {"padded", numbers.window(2).padded_batch(2, {Shape{2}})}};
}

TEST(DatasetResume, in_the_middle_of_a_pass_goes_on_as_one_fit_does) {
  for (const auto& [name, source] : sources()) {
    // Six batches a pass: steps that divide it, that do not, and a pass an epoch.
    for (const std::int64_t steps : {2, 3, 4, 6}) {
      const Ints all = fed(source, {.epochs = 7, .steps_per_epoch = steps});
      Ints parts;
      for (std::int64_t epoch = 0; epoch < 7; ++epoch) {
        const Ints part =
            fed(source, {.epochs = 1, .first_epoch = epoch, .steps_per_epoch = steps});
        parts.insert(parts.end(), part.begin(), part.end());
      }
      EXPECT_EQ(parts, all) << name << ", " << steps << " steps";
      Ints two = fed(source, {.epochs = 3, .steps_per_epoch = steps});
      const Ints rest = fed(source, {.epochs = 4, .first_epoch = 3, .steps_per_epoch = steps});
      two.insert(two.end(), rest.begin(), rest.end());
      EXPECT_EQ(two, all) << name << ", " << steps << " steps";
    }
  }
}

// Its length is not known before the first pass has come to its end.
TEST(DatasetResume, a_cache_that_learns_its_length_does_not_begin_anew_within_the_fit) {
  const auto cached =
      range(8).filter([](auto) { return true; }).cache().repeat(3).batch(2).take(12);
  const Ints all = fed(cached, {.epochs = 6, .steps_per_epoch = 2});
  EXPECT_EQ(all, (Ints{0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7}));
}

TEST(DatasetResume, the_losses_of_two_fits_are_those_of_one) {
  const auto batches = range(24)
                           .map<float, float>({Shape{1}, Shape{1}},
                                              [](std::span<const std::int32_t> n,
                                                 std::span<float> x, std::span<float> y) {
                                                x[0] = 0;
                                                y[0] = static_cast<float>(n[0]);
                                              })
                           .prefetch(2)
                           .shuffle(2, 1)
                           .batch(4);
  const auto losses = [&](std::int64_t first, std::int64_t end) {
    Sequential model({Input({1}), Dense(1)}, {.threads = 1});
    model.compile({.optimizer = SGD({.learning_rate = 0.0}), .loss = MeanSquaredError()});
    const FitOptions options{
        .steps_per_epoch = 2, .epochs = end, .verbose = 0, .initial_epoch = first};
    return model.fit(batches, options).history.at("loss");
  };
  const std::vector<double> all = losses(0, 3);
  const std::vector<double> rest = losses(1, 3);
  EXPECT_EQ(rest, std::vector<double>(all.begin() + 1, all.end()));
}

// ---- Training and validation parts ----
// How many of the elements that training sees in later epochs were in the first validation part.
int leaked(const Dataset<std::int32_t>& training, const Dataset<std::int32_t>& validation) {
  std::set<std::int32_t> held_out;
  validation.for_each([&](auto x) { held_out.insert(x[0]); });
  std::set<std::int32_t> seen;
  for (std::int64_t epoch = 0; epoch < 5; ++epoch) {
    training.for_each([&](auto x) { seen.insert(x[0]); }, epoch);
  }
  return static_cast<int>(
      std::ranges::count_if(held_out, [&](auto x) { return seen.contains(x); }));
}

TEST(DatasetSplit, parts_are_apart_in_every_epoch_as_the_header_says) {
  const auto all = range(100);
  EXPECT_EQ(leaked(all.skip(20).shuffle(80, 7), all.take(20)), 0);
  for (const std::int64_t buffer : {100, 50}) {
    const auto once = all.shuffle(buffer, 7, {.reshuffle_each_iteration = false});
    EXPECT_EQ(leaked(once.skip(20).shuffle(80, 8), once.take(20)), 0);
    const auto anew = all.shuffle(buffer, 7);
    EXPECT_GT(leaked(anew.skip(20), anew.take(20)), 0);
  }
}

}  // namespace
}  // namespace stoker

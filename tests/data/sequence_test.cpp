#include "stoker/sequence.h"

#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <atomic>
#include <stdexcept>
#include <string>
#include <vector>

namespace stoker {
namespace {

// y = the sum of four numbers, 10 batches of 8.
class Sums : public Sequence<float, float> {
 public:
  Sums() : Sequence({.x = {8, 4}, .y = {8, 1}}) {}
  std::int64_t size() const override { return 10; }
  std::int64_t fill(BatchContext& batch, std::span<float> x, std::span<float> y) override {
    ++filled;
    batch.random.fill_uniform(x);
    for (std::size_t row = 0; row < 8; ++row) {
      y[row] = x[4 * row] + x[4 * row + 1] + x[4 * row + 2] + x[4 * row + 3];
    }
    return 8;
  }
  void on_epoch_begin() override { ++begun; }
  void on_epoch_end() override { ++ended; }

  std::atomic<int> filled{0};
  int begun = 0;
  int ended = 0;
};

std::vector<float> weights_after(int workers, bool shuffle) {
  Sequential model({Input({4}), Dense(1)}, {.seed = 3, .threads = 1});
  model.compile({.optimizer = SGD({.learning_rate = 0.05}), .loss = "mse"});
  Sums sums;
  const History history =
      model.fit(sums, {.epochs = 5, .verbose = 0, .shuffle = shuffle, .workers = workers});
  EXPECT_EQ(sums.filled, 50);
  EXPECT_EQ(sums.begun, 5);
  EXPECT_EQ(sums.ended, 5);
  EXPECT_LT(history["loss"].back(), history["loss"].front());
  std::vector<float> all;
  for (const Tensor& weight : model.get_weights()) {
    for (const float value : weight.data<float>()) all.push_back(value);
  }
  return all;
}

TEST(Sequence, trains_alike_with_any_number_of_workers) {
  const std::vector<float> shuffled = weights_after(1, true);
  EXPECT_EQ(weights_after(3, true), shuffled);
  EXPECT_EQ(weights_after(AUTOTUNE, true), shuffled);
  const std::vector<float> in_order = weights_after(1, false);
  EXPECT_EQ(weights_after(2, false), in_order);
  EXPECT_NE(in_order, shuffled);
}

class Failing : public Sums {
 public:
  void on_epoch_end() override { throw std::runtime_error("no second epoch"); }
};

TEST(Sequence, what_the_end_of_an_epoch_throws_comes_out_of_fit) {
  Sequential model({Input({4}), Dense(1)}, {.threads = 1});
  model.compile({.optimizer = "sgd", .loss = "mse"});
  for (const std::int64_t epochs : {1, 3}) {
    Failing failing;
    try {
      model.fit(failing, {.epochs = epochs, .verbose = 0});
      FAIL() << "expected an error";
    } catch (const DataError& error) {
      EXPECT_NE(std::string(error.what()).find("no second epoch"), std::string::npos);
    }
  }
}

}  // namespace
}  // namespace stoker

// Compiled without optimisation (tests/CMakeLists.txt): the verdict says so of the generators here,
// and of no others.
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include "support/contains.h"

namespace stoker {
namespace {

using test::contains;

FeedReport report_of(const SourceHandle& source) {
  Sequential model({Input({4}), Dense(1)}, {.threads = 1});
  model.compile({.optimizer = "sgd", .loss = "mse"});
  return model.fit(source, {.steps_per_epoch = 4, .verbose = 0}).feed;
}

void fill_with_ones(BatchContext&, std::span<float> x, std::span<float> y) {
  std::ranges::fill(x, 1.0f);
  std::ranges::fill(y, 1.0f);
}

class Ones : public Sequence<float, float> {
 public:
  Ones() : Sequence({.x = {8, 4}, .y = {8, 1}}) {}
  std::int64_t size() const override { return 4; }
  std::int64_t fill(BatchContext& batch, std::span<float> x, std::span<float> y) override {
    fill_with_ones(batch, x, y);
    return 8;
  }
};

TEST(Unoptimized, a_generator_that_was_compiled_so_is_told_of) {
  const BatchShapes shapes{.x = {8, 4}, .y = {8, 1}};
  Ones ones;
  const auto lambda = [](BatchContext& batch, std::span<float> x, std::span<float> y) {
    fill_with_ones(batch, x, y);
  };
  for (const SourceHandle& source :
       {SourceHandle(generator<float, float>(shapes, lambda)), SourceHandle(ones),
        SourceHandle(cast<float>(generator<float, float>(shapes, lambda)))}) {
    const FeedReport report = report_of(source);
    EXPECT_FALSE(report.is_optimized);
    EXPECT_TRUE(
        contains(report.verdict(), "This program's generator was compiled without optimisation"));
  }
}

TEST(Unoptimized, a_source_of_the_librarys_was_not) {
  const FeedReport report =
      report_of(array_source(Tensor({32, 4}), Tensor({32, 1}), {.batch_size = 8}));
  EXPECT_TRUE(report.is_optimized);
  EXPECT_EQ(report.verdict().find("without optimisation"), std::string::npos);
}

}  // namespace
}  // namespace stoker

// What a training step is on a GPU: how many launches, and of what. Counted on the plan that a GPU
// which cuDNN knows would get.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "backend/cuda/emulation/chosen_backend.h"
#include "backend/cuda/emulation/emulated_backend.h"
#include "stoker/stoker.h"
#include "support/contains.h"
#include "support/resnet20.h"

namespace stoker {
namespace {

using backend::cuda::DnnLaunch;
using backend::cuda::GeneratedLaunch;
using backend::cuda::KernelLaunch;
using backend::cuda::Launch;
using backend::cuda::LaunchPlan;

template <class Kind>
std::ptrdiff_t count(const LaunchPlan& plan) {
  return std::count_if(plan.launches.begin(), plan.launches.end(), [](const Launch& launch) {
    return std::holds_alternative<Kind>(launch.what);
  });
}

class LaunchPlans : public testing::Test {
 protected:
  const emulation::ChosenBackend emulated_{
      [](const auto&, int) { return emulation::make_emulated_backend(); }};

  // Of a training step; nothing runs.
  static const LaunchPlan& plan_of(Model& model, std::int64_t batch_size,
                                   std::vector<Metric> metrics = {}) {
    model.compile({.optimizer = Adam(),
                   .loss = SparseCategoricalCrossentropy({.from_logits = true}),
                   .metrics = std::move(metrics)});
    model.memory_report(batch_size);
    return emulation::last_plan();
  }
  static Model resnet() {
    const Value images = Input({32, 32, 3});
    return Model(images, test::resnet20(images));
  }
  static Sequential mlp() {
    return Sequential(
        {Input({28, 28, 1}), Flatten(), Dense(128, {.activation = "relu"}), Dense(10)});
  }
  static Sequential cnn() {
    return Sequential({Input({28, 28, 1}), Conv2D(32, 3, {.activation = "relu"}), MaxPooling2D(2),
                       Conv2D(64, 3, {.activation = "relu"}), MaxPooling2D(2), Flatten(),
                       Dropout(0.5), Dense(10)});
  }
};

TEST_F(LaunchPlans, an_mlp_trains_in_at_most_12_launches) {
  Sequential model = mlp();
  const LaunchPlan& plan = plan_of(model, 128);
  EXPECT_LE(plan.launches.size(), 12U) << plan.text();
  EXPECT_EQ(count<DnnLaunch>(plan), 5) << plan.text();  // two forwards, two weights, one data
  EXPECT_TRUE(test::contains(plan.launches.front().label, "ingest"));
  std::cout << plan.text();
}

TEST_F(LaunchPlans, a_cnn_trains_in_at_most_30_launches) {
  Sequential model = cnn();
  const LaunchPlan& plan = plan_of(model, 128);
  EXPECT_LE(plan.launches.size(), 30U) << plan.text();
  EXPECT_EQ(count<DnnLaunch>(plan), 8) << plan.text();
  std::cout << plan.text();
}

TEST_F(LaunchPlans, a_resnet20_trains_in_at_most_160_launches) {
  Model model = resnet();
  const LaunchPlan& plan = plan_of(model, 128);
  EXPECT_LE(plan.launches.size(), 160U) << plan.text();
  EXPECT_EQ(count<DnnLaunch>(plan), 3 * 21 - 1 + 3) << plan.text();  // no gradient of the images
  std::cout << plan.text();
}

TEST_F(LaunchPlans, accuracy_costs_an_mlp_one_launch) {
  Sequential plain = mlp();
  const std::size_t without = plan_of(plain, 32).launches.size();
  Sequential model = mlp();
  const LaunchPlan& plan = plan_of(model, 32, {"accuracy"});
  EXPECT_LE(plan.launches.size(), without + 1) << plan.text();
}

TEST_F(LaunchPlans, name_the_layers_that_launches_belong_to) {
  Sequential model = mlp();
  const std::string text = plan_of(model, 32).text();
  for (const char* part : {"ingest", "Dense \"dense\"", "Dense \"dense_1\" (gradient)",
                           "loss \"sparse_categorical_crossentropy\"", "optimizer", "metrics"}) {
    EXPECT_TRUE(test::contains(text, part));
  }
}

// A batch is all that a step copies; nothing is zeroed.
TEST_F(LaunchPlans, need_no_memset) {
  Sequential model = cnn();
  EXPECT_EQ(count<backend::cuda::ZeroLaunch>(plan_of(model, 32)), 0);
}

}  // namespace
}  // namespace stoker

// What a training step is on a GPU: how many launches, and of what. Counted on the plan that a GPU
// which cuDNN knows would get.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "backend/cuda/emulation/chosen_backend.h"
#include "backend/cuda/emulation/emulated_backend.h"
#include "stoker/stoker.h"
#include "support/contains.h"
#include "support/networks.h"

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
};

TEST_F(LaunchPlans, an_mlp_trains_in_at_most_12_launches) {
  Model model = test::network(test::mlp);
  const LaunchPlan& plan = plan_of(model, 128);
  EXPECT_LE(plan.launches.size(), 12U) << plan.text();
  EXPECT_EQ(count<DnnLaunch>(plan), 5) << plan.text();  // two forwards, two weights, one data
  EXPECT_TRUE(test::contains(plan.launches.front().label, "ingest"));
  std::cout << plan.text();
}

TEST_F(LaunchPlans, a_cnn_trains_in_at_most_30_launches) {
  Model model = test::network(test::cnn);
  const LaunchPlan& plan = plan_of(model, 128);
  EXPECT_LE(plan.launches.size(), 30U) << plan.text();
  EXPECT_EQ(count<DnnLaunch>(plan), 8) << plan.text();
  std::cout << plan.text();
}

TEST_F(LaunchPlans, a_resnet20_trains_in_at_most_160_launches) {
  Model model = test::network(test::resnet20, {32, 32, 3});
  const LaunchPlan& plan = plan_of(model, 128);
  EXPECT_LE(plan.launches.size(), 160U) << plan.text();
  EXPECT_EQ(count<DnnLaunch>(plan), 3 * 21 - 1 + 3) << plan.text();  // no gradient of the images
  std::cout << plan.text();
}

// A launch takes the whole sequence through all steps, in each direction.
TEST_F(LaunchPlans, recurrent_networks_train_in_at_most_60_launches) {
  for (Value (*layers)(const Value&) : {test::lstm, test::gru}) {
    Model model = test::network(layers, {28, 28});
    const LaunchPlan& plan = plan_of(model, 128);
    EXPECT_LE(plan.launches.size(), 60U) << plan.text();
    std::cout << plan.text();
  }
}

TEST_F(LaunchPlans, accuracy_costs_an_mlp_one_launch) {
  Model plain = test::network(test::mlp);
  const std::size_t without = plan_of(plain, 32).launches.size();
  Model model = test::network(test::mlp);
  const LaunchPlan& plan = plan_of(model, 32, {"accuracy"});
  EXPECT_LE(plan.launches.size(), without + 1) << plan.text();
}

TEST_F(LaunchPlans, name_the_layers_that_launches_belong_to) {
  Model model = test::network(test::mlp);
  const std::string text = plan_of(model, 32).text();
  for (const char* part : {"ingest", "Dense \"dense\"", "Dense \"dense_1\" (gradient)",
                           "loss \"sparse_categorical_crossentropy\"", "optimizer", "metrics"}) {
    EXPECT_TRUE(test::contains(text, part));
  }
}

// A batch is all that a step copies; nothing is zeroed.
TEST_F(LaunchPlans, need_no_memset) {
  Model model = test::network(test::cnn);
  EXPECT_EQ(count<backend::cuda::ZeroLaunch>(plan_of(model, 32)), 0);
}

}  // namespace
}  // namespace stoker

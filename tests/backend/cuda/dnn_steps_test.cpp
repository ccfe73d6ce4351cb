// Training steps as an H200 would get them: cuDNN itself says what it takes, for the device's
// properties.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

#include "backend/cuda/emulation/chosen_backend.h"
#include "backend/cuda/emulation/emulated_backend.h"
#include "backend/cuda/runtime/plan_cache.h"
#include "stoker/stoker.h"
#include "support/networks.h"
#include "support/source_folder.h"

namespace stoker {
namespace {

namespace cuda = backend::cuda;

std::shared_ptr<cuda::DnnCompiler> h200() {
  static const auto compiler = [] {
    const auto folder = test::source_folder() / "tests/backend/cuda/device_properties";
    std::ostringstream text;
    text << std::ifstream(folder / "h200.json").rdbuf();
    return std::make_shared<cuda::CudnnCompiler>(cuda::DnnTarget::of_properties(text.str()));
  }();
  return compiler;
}

const cuda::LaunchPlan& plan_for_h200(Model model) {
  model.compile(
      {.optimizer = Adam(), .loss = SparseCategoricalCrossentropy({.from_logits = true})});
  model.memory_report(128);
  return emulation::last_plan();
}

class StepsOnAnH200 : public testing::Test {
 protected:
  const emulation::ChosenBackend emulated_{
      [](const auto&, int) { return emulation::make_emulated_backend(h200()); }};

  static int own_products(const cuda::LaunchPlan& plan) {
    int found = 0;
    for (const cuda::Launch& launch : plan.launches) {
      const auto* own = std::get_if<cuda::KernelLaunch>(&launch.what);
      if (own == nullptr) continue;
      const std::string name = own->kernel->name;
      found += name == "matmul" || name.starts_with("conv2d");
    }
    return found;
  }
};

TEST_F(StepsOnAnH200, an_mlp_takes_at_most_12_launches) {
  const cuda::LaunchPlan& plan = plan_for_h200(test::network(test::mlp));
  std::cout << plan.text();
  EXPECT_LE(plan.launches.size(), 12U);
  EXPECT_EQ(own_products(plan), 0);
}

TEST_F(StepsOnAnH200, a_cnn_takes_at_most_30_launches) {
  const cuda::LaunchPlan& plan = plan_for_h200(test::network(test::cnn));
  std::cout << plan.text();
  EXPECT_LE(plan.launches.size(), 30U);
  EXPECT_EQ(own_products(plan), 0);
}

TEST_F(StepsOnAnH200, a_resnet20_takes_at_most_160_launches) {
  const cuda::LaunchPlan& plan = plan_for_h200(test::network(test::resnet20, {32, 32, 3}));
  std::cout << plan.text();
  EXPECT_LE(plan.launches.size(), 160U);
  EXPECT_EQ(own_products(plan), 0);
}

TEST_F(StepsOnAnH200, a_transformer_takes_at_most_120_launches) {
  const Value tokens = Input({64}, {.dtype = "int32"});
  const cuda::LaunchPlan& plan = plan_for_h200(Model(tokens, test::transformer(tokens)));
  std::cout << plan.text();
  EXPECT_LE(plan.launches.size(), 120U);
  EXPECT_EQ(own_products(plan), 0);
}

TEST_F(StepsOnAnH200, recurrent_networks_take_at_most_60_launches) {
  for (Value (*layers)(const Value&) : {test::lstm, test::gru}) {
    const cuda::LaunchPlan& plan = plan_for_h200(test::network(layers, {28, 28}));
    std::cout << plan.text();
    EXPECT_LE(plan.launches.size(), 60U);
    EXPECT_EQ(own_products(plan), 0);
  }
}

// Of the batch, the logits and the kernels' gradients; all other conversions are parts of launches
// that are there anyway.
TEST_F(StepsOnAnH200, mixed_precision_takes_at_most_six_launches_for_conversions) {
  struct Network {
    Value (*layers)(const Value&);
    Shape image;
  };
  for (const Network& network : {Network{test::mlp, {28, 28, 1}}, Network{test::cnn, {28, 28, 1}},
                                 Network{test::resnet20, {32, 32, 3}}}) {
    const auto model = [&](const ModelOptions& options) {
      return test::network(network.layers, network.image, options);
    };
    const std::size_t of_float32 = plan_for_h200(model({})).launches.size();
    for (const char* policy : {"mixed_bfloat16", "mixed_float16"}) {
      const cuda::LaunchPlan& plan = plan_for_h200(model({.dtype_policy = policy}));
      std::cout << policy << '\n' << plan.text();
      EXPECT_LE(plan.launches.size(), of_float32 + 6) << policy;
      EXPECT_EQ(own_products(plan), 0);
    }
  }
}

}  // namespace
}  // namespace stoker

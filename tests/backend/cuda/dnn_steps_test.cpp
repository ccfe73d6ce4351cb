// Training steps as an H200 would get them: cuDNN itself says what it takes, for the device's
// properties.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

#include "backend/cuda/emulation/emulated_backend.h"
#include "backend/cuda/plan_cache.h"
#include "stoker/stoker.h"
#include "support/resnet20.h"
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
  StepsOnAnH200() {
    backend::replace_backends([](const std::shared_ptr<device::Device>&, int) {
      return emulation::make_emulated_backend(h200());
    });
  }
  ~StepsOnAnH200() override { backend::replace_backends(nullptr); }

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

Sequential mlp(const ModelOptions& options = {}) {
  return Sequential({Input({28, 28, 1}), Flatten(), Dense(128, {.activation = "relu"}), Dense(10)},
                    options);
}
Sequential cnn(const ModelOptions& options = {}) {
  return Sequential(
      {Input({28, 28, 1}), Conv2D(32, 3, {.activation = "relu"}), MaxPooling2D(2),
       Conv2D(64, 3, {.activation = "relu"}), MaxPooling2D(2), Flatten(), Dropout(0.5), Dense(10)},
      options);
}
Model resnet20(const ModelOptions& options = {}) {
  const Value images = Input({32, 32, 3});
  return Model(images, test::resnet20(images), options);
}

TEST_F(StepsOnAnH200, an_mlp_takes_at_most_12_launches) {
  const cuda::LaunchPlan& plan = plan_for_h200(mlp());
  std::cout << plan.text();
  EXPECT_LE(plan.launches.size(), 12U);
  EXPECT_EQ(own_products(plan), 0);
}

TEST_F(StepsOnAnH200, a_cnn_takes_at_most_30_launches) {
  const cuda::LaunchPlan& plan = plan_for_h200(cnn());
  std::cout << plan.text();
  EXPECT_LE(plan.launches.size(), 30U);
  EXPECT_EQ(own_products(plan), 0);
}

TEST_F(StepsOnAnH200, a_resnet20_takes_at_most_160_launches) {
  const cuda::LaunchPlan& plan = plan_for_h200(resnet20());
  std::cout << plan.text();
  EXPECT_LE(plan.launches.size(), 160U);
  EXPECT_EQ(own_products(plan), 0);
}

// Of the batch, the logits and the kernels' gradients; all other conversions are parts of launches
// that are there anyway.
TEST_F(StepsOnAnH200, mixed_precision_takes_at_most_six_launches_for_conversions) {
  for (const auto& model : {+[](const ModelOptions& options) { return Model(mlp(options)); },
                            +[](const ModelOptions& options) { return Model(cnn(options)); },
                            +[](const ModelOptions& options) { return resnet20(options); }}) {
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

// Plans that are made once: for all models of a process, and on disk for the next one. cuDNN makes
// them for a GPU that is not there, with null_driver.c for a driver.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "backend/cuda/plan/dnn_specs.h"
#include "backend/cuda/runtime/plan_cache.h"
#include "device/cuda/libraries.h"
#include "support/source_folder.h"

namespace stoker::backend::cuda {
namespace {

namespace fs = std::filesystem;

DnnTarget target_of(const std::string& device) {
  const fs::path folder = test::source_folder() / "tests/backend/cuda/device_properties";
  std::ifstream file(folder / (device + ".json"));
  return DnnTarget::of_properties({std::istreambuf_iterator<char>(file), {}});
}

// Compiled at run time, as all products are.
DnnSpec product(std::int64_t rows = 64) {
  return matmul_spec({rows, 128}, {128, 64}, {}, DnnTypes::all(DType::float32));
}
// Refused at once: the image has another number of channels.
DnnSpec nonsense(std::int64_t channels) {
  DnnSpec spec = conv2d_spec({32, 14, 14, 32}, {3, 3, 32, 64}, {});
  spec.b.dims[1] = channels;
  return spec;
}

class DnnPlanCache : public testing::Test {
 protected:
  void SetUp() override {
    if (!device::cudnn().problem.empty()) GTEST_SKIP() << device::cudnn().problem;
    std::string name = (fs::temp_directory_path() / "stoker-plans-XXXXXX").string();
    folder_ = mkdtemp(name.data()) != nullptr ? name : "";
  }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path folder_;
};

TEST_F(DnnPlanCache, makes_a_plan_once_for_all_who_ask_at_once) {
  PlanCache cache{CodeCache("")};
  const DnnTarget target = target_of("h200");
  std::vector<std::shared_ptr<const DnnPlan>> plans(3);
  std::vector<std::thread> models;
  for (auto& plan : plans) {
    models.emplace_back([&] { plan = CudnnCompiler(target, {}, cache).plan(product()); });
  }
  for (auto& model : models) model.join();
  ASSERT_TRUE(plans[0]) << CudnnCompiler(target, {}, cache).refusal(product());
  for (const auto& plan : plans) EXPECT_EQ(plan, plans[0]);
  EXPECT_EQ(cache.made(), 1);
}

TEST_F(DnnPlanCache, tells_gpus_and_options_and_specs_apart) {
  PlanCache cache{CodeCache("")};
  const auto plan = cache.find(product(), target_of("h200"), {}).plan;
  ASSERT_TRUE(plan);
  EXPECT_NE(cache.find(product(), target_of("b200"), {}).plan, plan);
  EXPECT_NE(cache.find(product(), target_of("h200"), {.tensor_cores = false}).plan, plan);
  DnnSpec exact = product();
  exact.tf32 = false;
  EXPECT_NE(cache.find(exact, target_of("h200"), {}).plan, plan);
  EXPECT_EQ(cache.made(), 4);
  EXPECT_EQ(cache.find(product(), target_of("h200"), {}).plan, plan);
  EXPECT_EQ(cache.made(), 4);
}

TEST_F(DnnPlanCache, another_process_reads_the_plan_from_disk) {
  PlanCache first{CodeCache(folder_)};
  const auto made = first.find(product(), target_of("h200"), {}).plan;
  ASSERT_TRUE(made);
  ASSERT_NE(made->serialized(), "") << "this test needs an engine that can be serialised";
  PlanCache second{CodeCache(folder_)};
  const auto found = second.find(product(), target_of("h200"), {}).plan;
  ASSERT_TRUE(found);
  EXPECT_EQ(second.loaded(), 1);
  EXPECT_EQ(second.made(), 0);
  EXPECT_EQ(found->engine(), made->engine());
  EXPECT_EQ(found->workspace_bytes(), made->workspace_bytes());
  // Nobody else's.
  second.find(product(), target_of("b200"), {});
  second.find(product(32), target_of("h200"), {});
  EXPECT_EQ(second.loaded(), 1);
}

TEST_F(DnnPlanCache, makes_a_plan_anew_where_the_one_on_disk_is_damaged) {
  const auto made = PlanCache{CodeCache(folder_)}.find(product(), target_of("h200"), {}).plan;
  ASSERT_TRUE(made);
  for (const auto& file : fs::directory_iterator(folder_)) fs::resize_file(file.path(), 1000);
  PlanCache cache{CodeCache(folder_)};
  EXPECT_TRUE(cache.find(product(), target_of("h200"), {}).plan);
  EXPECT_EQ(cache.made(), 1);
}

TEST_F(DnnPlanCache, text_that_is_no_plan_is_none) {
  const DnnTarget target = target_of("h200");
  for (const char* text : {"", "eng0 0", "eng0 0\n", "eng0 0\n{}", "eng0 nothing\n{}", "\n\n"}) {
    EXPECT_FALSE(DnnPlan::from_text(text, product(), target)) << text;
  }
}

TEST_F(DnnPlanCache, keeps_no_more_than_its_limit_but_what_somebody_holds) {
  PlanCache cache(CodeCache(""), 3);
  const DnnTarget target = target_of("h200");
  const auto held = cache.find(product(), target, {}).plan;
  for (const std::int64_t channels : {1, 2, 3, 4, 5, 6}) cache.find(nonsense(channels), target, {});
  EXPECT_EQ(cache.size(), 3U);
  EXPECT_EQ(cache.made(), 7);
  EXPECT_EQ(cache.find(product(), target, {}).plan, held);
  EXPECT_NE(cache.find(nonsense(6), target, {}).refusal, "");
  EXPECT_EQ(cache.made(), 7);
}

// Engine 0 of products is offered with a handle only, so no list of engines here ever had it.
TEST(DnnEngines, cublaslt_computes_where_tf32_may_and_nowhere_else) {
  const DnnSpec tf32 = product();
  DnnSpec exact = product();
  exact.tf32 = false;
  for (const char* engine : {"eng0", "eng0_k2=3"}) {
    EXPECT_TRUE(may_compute(tf32, {}, engine, false)) << engine;
    EXPECT_FALSE(may_compute(exact, {}, engine, false)) << engine;
    EXPECT_FALSE(may_compute(tf32, {.tensor_cores = false}, engine, false)) << engine;
  }
  EXPECT_TRUE(may_compute(exact, {}, "eng05_k2=3", false));
  EXPECT_TRUE(may_compute(exact, {}, "eng10", false));
  EXPECT_FALSE(may_compute(exact, {}, "eng10", true)) << "whatever its number is";
  // Operands of 16 bits are not rounded to TF32, whatever the switch says.
  DnnSpec of_16_bits = matmul_spec({64, 128}, {128, 64}, {}, DnnTypes::all(DType::bfloat16, false));
  EXPECT_TRUE(may_compute(of_16_bits, {}, "eng0", true));
  // Another op's engine 0 is none of cuBLASLt's.
  const DnnSpec convolution =
      conv2d_spec({32, 14, 14, 32}, {3, 3, 32, 64}, {}, DnnTypes::all(DType::float32, false));
  EXPECT_TRUE(may_compute(convolution, {}, "eng0_k2=3", false));
  EXPECT_FALSE(may_compute(convolution, {}, "eng0_k2=3", true));
}

}  // namespace
}  // namespace stoker::backend::cuda

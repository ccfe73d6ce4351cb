// What Stoker says about CUDA on machines that this one is not.
#include <gtest/gtest.h>

#include <functional>
#include <vector>

#include "device/cuda_status.h"

namespace stoker::device {
namespace {

CudaFacts good_machine() {
  CudaFacts facts;
  facts.runtime = 13000;
  facts.driver = 13000;
  facts.devices = 2;
  facts.name = "NVIDIA H100 80GB HBM3";
  facts.capability = 90;
  facts.cudnn = 91900;
  return facts;
}

struct Fault {
  std::function<void(CudaFacts&)> plant;
  std::string line;
};

// In the order in which they are to be reported.
std::vector<Fault> faults() {
  return {
      {[](CudaFacts& facts) { facts.driver_stub = true; },
       "no NVIDIA driver: the libcuda.so.1 that was found is the stub of a CUDA toolkit (take its "
       "folder off LD_LIBRARY_PATH)"},
      {[](CudaFacts& facts) { facts.driver = 0; }, "no NVIDIA driver (libcuda.so.1 not found)"},
      {[](CudaFacts& facts) { facts.driver_error = "cudaErrorSystemNotReady (not ready)"; },
       "the NVIDIA driver refuses: cudaErrorSystemNotReady (not ready)"},
      {[](CudaFacts& facts) { facts.devices = 0; },
       "no device visible (the NVIDIA driver knows of none)"},
      {[](CudaFacts& facts) { facts.capability = 61; },
       "compute capability 6.1 of NVIDIA H100 80GB HBM3 is below 7.5"},
      {[](CudaFacts& facts) { facts.nvrtc_problem = "NVRTC not found: libnvrtc.so.13"; },
       "NVRTC not found: libnvrtc.so.13"},
      {[](CudaFacts& facts) { facts.cudnn_problem = "libcudnn.so.9 not found"; },
       "libcudnn.so.9 not found"},
  };
}

TEST(CudaFacts, a_machine_with_all_of_it_is_used) {
  const CudaStatus status = judge(good_machine());
  EXPECT_TRUE(status.usable);
  EXPECT_EQ(status.devices, 2);
  EXPECT_EQ(status.line,
            "cuda:0 NVIDIA H100 80GB HBM3, compute capability 9.0, driver 13.0, cuDNN 9.19");
}

TEST(CudaFacts, of_any_combination_of_faults_the_first_is_named) {
  const std::vector<Fault> all = faults();
  for (unsigned planted = 1; planted < 1u << all.size(); ++planted) {
    CudaFacts facts = good_machine();
    const Fault* first = nullptr;
    for (std::size_t i = 0; i < all.size(); ++i) {
      if ((planted >> i & 1u) == 0) continue;
      all[i].plant(facts);
      if (first == nullptr) first = &all[i];
    }
    const CudaStatus status = judge(facts);
    EXPECT_FALSE(status.usable) << planted;
    EXPECT_EQ(status.line, first->line) << planted;
  }
}

TEST(CudaFacts, a_driver_of_an_older_major_version_is_too_old) {
  CudaFacts facts = good_machine();
  facts.driver = 12040;
  EXPECT_EQ(judge(facts).line,
            "driver 12.4 is older than the CUDA 13.0 runtime needs (>= 13.0 / driver 580): update "
            "the driver or use a build for CUDA 12");
}

TEST(CudaFacts, any_driver_of_the_same_major_version_will_do) {
  CudaFacts facts = good_machine();
  facts.runtime = 13020;
  EXPECT_TRUE(judge(facts).usable);
  facts.driver = 14000;
  EXPECT_TRUE(judge(facts).usable);
}

TEST(CudaFacts, hidden_devices_are_told_from_none) {
  CudaFacts facts = good_machine();
  facts.devices = 0;
  facts.visible_devices = "";
  EXPECT_EQ(judge(facts).line, "no device visible (CUDA_VISIBLE_DEVICES is \"\")");
}

TEST(CudaFacts, an_ordinal_beyond_the_last_device_is_refused) {
  for (const int ordinal : {-1, 2}) {
    CudaFacts facts = good_machine();
    facts.ordinal = ordinal;
    EXPECT_EQ(judge(facts).line,
              "there is no device cuda:" + std::to_string(ordinal) + ", the last one is cuda:1");
  }
}

TEST(CudaFacts, turing_is_the_oldest) {
  CudaFacts facts = good_machine();
  facts.capability = 75;
  EXPECT_TRUE(judge(facts).usable);
  facts.capability = 72;
  EXPECT_FALSE(judge(facts).usable);
}

}  // namespace
}  // namespace stoker::device

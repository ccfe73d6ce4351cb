// The parts of device/cuda that need CUDA's headers and libraries, but no GPU and no driver. Only
// in builds with CUDA.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>

#include "device/cuda/cuda_device.h"
#include "device/cuda/libraries.h"
#include "device/cuda/nvtx.h"
#include "stoker/error.h"

namespace stoker::device {
namespace {

namespace fs = std::filesystem;

// ---- Errors ----

std::string thrown_by(const std::function<void()>& call) {
  try {
    call();
  } catch (const DeviceError& error) {
    return error.what();
  }
  return "";
}

TEST(CudaHealth, an_error_names_device_call_and_error) {
  Health health("cuda:1");
  EXPECT_EQ(thrown_by([&] { health.check(cudaErrorInvalidValue, "cudaMemcpyAsync"); }),
            "cuda:1: cudaErrorInvalidValue in cudaMemcpyAsync (invalid argument)");
  EXPECT_FALSE(health.is_broken());
  EXPECT_EQ(thrown_by([&] { health.check(cudaSuccess, "cudaMemcpyAsync"); }), "");
  EXPECT_EQ(thrown_by([&] { health.require(); }), "");
}

TEST(CudaHealth, a_sticky_error_is_what_every_later_call_throws) {
  Health health("cuda:0");
  const std::string first =
      thrown_by([&] { health.check(cudaErrorIllegalAddress, "cudaStreamSynchronize"); });
  EXPECT_EQ(first,
            "cuda:0: cudaErrorIllegalAddress in cudaStreamSynchronize (an illegal memory access "
            "was encountered); this process can't use the device any more");
  EXPECT_TRUE(health.is_broken());
  EXPECT_EQ(thrown_by([&] { health.require(); }), first);
  EXPECT_EQ(thrown_by([&] { health.check(cudaErrorInvalidValue, "cudaMalloc"); }), first);
  EXPECT_EQ(thrown_by([&] { health.check(cudaErrorLaunchFailure, "cudaMalloc"); }), first);
}

TEST(CudaHealth, a_destructor_leaves_a_sticky_error_to_the_next_call) {
  Health health("cuda:0");
  health.note(cudaErrorInvalidValue, "cudaFree");
  EXPECT_FALSE(health.is_broken());
  health.note(cudaErrorECCUncorrectable, "cudaFree");
  EXPECT_NE(thrown_by([&] { health.require(); }).find("cudaErrorECCUncorrectable in cudaFree"),
            std::string::npos);
}

TEST(CudaHealth, what_can_be_repeated_is_not_sticky) {
  for (const cudaError_t error : {cudaErrorMemoryAllocation, cudaErrorNotReady,
                                  cudaErrorInvalidValue, cudaErrorStreamCaptureInvalidated,
                                  cudaErrorNoKernelImageForDevice, cudaErrorCudartUnloading}) {
    EXPECT_FALSE(is_sticky(error)) << cudaGetErrorName(error);
  }
}

// ---- Libraries ----

// A folder of links to libraries of this machine, without some of them; and no other place.
class CudaLibraries : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(testing::TempDir()) /
              ("stoker_cuda_" +
               std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  void link_all_but(const std::string& left_out) {
    for (const fs::path& file : installed()) {
      if (file.filename() != left_out) fs::create_symlink(file, folder_ / file.filename());
    }
  }
  static bool is_installed(const std::string& name) {
    for (const fs::path& file : installed()) {
      if (file.filename() == name) return true;
    }
    return false;
  }
  LibrarySearch only_here() const { return {{folder_}, false, {}}; }

  fs::path folder_;

 private:
  static std::vector<fs::path> installed() {
    const LibrarySearch search = default_search();
    std::vector<std::string> folders = search.first;
    folders.insert(folders.end(), search.last.begin(), search.last.end());
    for (const fs::path folder : folders) {
      if (!fs::exists(folder / "libcudnn.so.9")) continue;
      std::vector<fs::path> files;
      for (const auto& entry : fs::directory_iterator(folder)) files.push_back(entry.path());
      return files;
    }
    return {};
  }
};

TEST_F(CudaLibraries, nothing_is_found_in_an_empty_folder) {
  EXPECT_EQ(load_nvrtc(only_here()).problem,
            "NVRTC not found: libnvrtc.so.13 (install CUDA 13, or set LD_LIBRARY_PATH or "
            "STOKER_CUDA_LIBRARIES)");
  EXPECT_EQ(load_cudnn(only_here()).problem,
            "libcudnn.so.9 not found (install cuDNN 9, or set LD_LIBRARY_PATH or "
            "STOKER_CUDA_LIBRARIES)");
}

TEST_F(CudaLibraries, a_file_that_is_no_library_is_named) {
  std::ofstream(folder_ / "libcudnn.so.9")
      << "not a library, but long enough for a header: " << std::string(100, '.');
  std::ofstream(folder_ / "libnvrtc.so.13") << "";
  EXPECT_EQ(
      load_cudnn(only_here()).problem,
      "cuDNN does not load: " + (folder_ / "libcudnn.so.9").string() + ": invalid ELF header");
  EXPECT_EQ(load_nvrtc(only_here()).problem,
            "NVRTC does not load: " + (folder_ / "libnvrtc.so.13").string() + ": file too short");
}

TEST_F(CudaLibraries, an_older_cudnn_is_named) {
  const char* older = std::getenv("STOKER_TEST_CUDNN_8");  // made of fake_cudnn_8.c
  if (older == nullptr) GTEST_SKIP() << "STOKER_TEST_CUDNN_8 is not set";
  fs::create_symlink(older, folder_ / "libcudnn.so.8");
  EXPECT_EQ(load_cudnn(only_here()).problem, "cuDNN 8.9 found, 9 needed");
}

TEST_F(CudaLibraries, every_missing_part_is_named) {
  if (!is_installed("libcudnn.so.9")) GTEST_SKIP() << "no cuDNN where default_search() looks";
  for (const char* part : {"libcudnn_graph.so.9", "libcudnn_ops.so.9", "libcudnn_heuristic.so.9",
                           "libcudnn_engines_runtime_compiled.so.9",
                           "libcudnn_engines_precompiled.so.9", "libcublasLt.so.13"}) {
    SetUp();
    link_all_but(part);
    EXPECT_EQ(load_cudnn(only_here()).problem,
              "cuDNN is incomplete: " + std::string(part) + " is missing");
  }
}

TEST_F(CudaLibraries, nvrtc_without_its_builtins_is_refused) {
  const Nvrtc whole = load_nvrtc(default_search());
  const std::string builtins =
      "libnvrtc-builtins.so." + std::to_string(whole.major) + "." + std::to_string(whole.minor);
  if (!is_installed(builtins)) GTEST_SKIP() << "no NVRTC where default_search() looks";
  link_all_but(builtins);
  EXPECT_EQ(load_nvrtc(only_here()).problem, "NVRTC is incomplete: " + builtins + " is missing");
}

TEST_F(CudaLibraries, cudnn_9_loads_without_a_driver) {
  if (!is_installed("libcudnn.so.9")) GTEST_SKIP() << "no cuDNN where default_search() looks";
  const Cudnn& table = cudnn();
  EXPECT_EQ(table.problem, "");
  EXPECT_EQ(table.version / 10000, 9u);
  EXPECT_STREQ(table.get_error_string(CUDNN_STATUS_SUCCESS), "CUDNN_STATUS_SUCCESS");
}

TEST_F(CudaLibraries, nvrtc_compiles_without_a_driver) {
  const Nvrtc& table = nvrtc();
  if (!table.problem.empty()) GTEST_SKIP() << table.problem;
  nvrtcProgram program = nullptr;
  ASSERT_EQ(table.create_program(&program, "extern \"C\" __global__ void f(float* x) { *x = 1; }",
                                 "f.cu", 0, nullptr, nullptr),
            NVRTC_SUCCESS);
  const char* options[] = {"--gpu-architecture=sm_75"};
  EXPECT_EQ(table.compile_program(program, 1, options), NVRTC_SUCCESS);
  std::size_t bytes = 0;
  EXPECT_EQ(table.get_cubin_size(program, &bytes), NVRTC_SUCCESS);
  std::string cubin(bytes, '\0');
  EXPECT_EQ(table.get_cubin(program, cubin.data()), NVRTC_SUCCESS);
  EXPECT_EQ(cubin.substr(1, 3), "ELF");
  EXPECT_EQ(table.destroy_program(&program), NVRTC_SUCCESS);
}

TEST(Nvtx, a_range_without_a_profiler_does_nothing) {
  const NvtxRange outer("step");
  const NvtxRange inner("launch");
}

}  // namespace
}  // namespace stoker::device

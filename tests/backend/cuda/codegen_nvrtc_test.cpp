// Kernels made from expressions: NVRTC, which needs no GPU, compiles them for all that Stoker runs
// on, and memory is accessed 128 bits at a time.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "backend/cuda/codegen/codegen.h"
#include "backend/cuda/codegen/device_headers.h"
#include "backend/cuda/codegen_cases.h"

namespace stoker {
namespace {

using graph::Expr;
using graph::Value;
using test::LaunchCase;
using test::LaunchCases;

// The part of NVRTC's interface that is needed, without its header.
class Nvrtc {
 public:
  struct Result {
    int status = 0;
    std::string log;
    std::string ptx;
    std::size_t cubin_bytes = 0;
  };

  // None where the library is not installed.
  static const Nvrtc* instance() {
    static const Nvrtc nvrtc;
    return nvrtc.library_ != nullptr ? &nvrtc : nullptr;
  }

  // `architecture`: sm_90, or compute_90 for PTX alone.
  Result compile(const std::string& source, const std::string& architecture) const {
    void* program = nullptr;
    std::vector<const char*> texts, names;
    for (const auto& header : backend::cuda::device_headers()) {
      texts.push_back(header.text);
      names.push_back(header.name);
    }
    EXPECT_EQ(create_(&program, source.c_str(), "generated.cu", static_cast<int>(texts.size()),
                      texts.data(), names.data()),
              0);
    const std::string target = "--gpu-architecture=" + architecture;
    const char* options[] = {target.c_str(), "--std=c++17", "-default-device"};
    Result result;
    result.status = compile_(program, 3, options);
    result.log = text(program, log_size_, log_);
    if (result.status == 0) {
      result.ptx = text(program, ptx_size_, ptx_);
      cubin_size_(program, &result.cubin_bytes);
    }
    destroy_(&program);
    return result;
  }

 private:
  using Size = int (*)(void*, std::size_t*);
  using Text = int (*)(void*, char*);

  Nvrtc() {
    for (const char* name : {"libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"}) {
      if (library_ == nullptr) library_ = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    }
    if (library_ == nullptr) return;
    find(create_, "nvrtcCreateProgram");
    find(compile_, "nvrtcCompileProgram");
    find(destroy_, "nvrtcDestroyProgram");
    find(log_size_, "nvrtcGetProgramLogSize");
    find(log_, "nvrtcGetProgramLog");
    find(ptx_size_, "nvrtcGetPTXSize");
    find(ptx_, "nvrtcGetPTX");
    find(cubin_size_, "nvrtcGetCUBINSize");
  }
  template <class F>
  void find(F& function, const char* name) {
    function = reinterpret_cast<F>(dlsym(library_, name));
    EXPECT_NE(function, nullptr) << name;
  }
  static std::string text(void* program, Size size, Text read) {
    std::size_t bytes = 0;
    size(program, &bytes);
    std::string result(bytes, '\0');
    if (bytes > 0) read(program, result.data());
    while (!result.empty() && result.back() == '\0') result.pop_back();
    return result;
  }

  void* library_ = nullptr;
  int (*create_)(void**, const char*, const char*, int, const char* const*,
                 const char* const*) = nullptr;
  int (*compile_)(void*, int, const char* const*) = nullptr;
  int (*destroy_)(void**) = nullptr;
  Size log_size_ = nullptr, ptx_size_ = nullptr, cubin_size_ = nullptr;
  Text log_ = nullptr, ptx_ = nullptr;
};

// All sources behind one prelude: a compiler's start costs more than a kernel.
std::string joined(const LaunchCases& cases) {
  std::string text = backend::cuda::generated_prelude();
  std::set<std::string> written;
  for (const auto& c : cases) {
    if (written.insert(c->launch().name).second) text += c->launch().source;
  }
  return text;
}

class CodegenNvrtc : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (Nvrtc::instance() == nullptr) GTEST_SKIP() << "there is no libnvrtc";
  }
};

TEST_P(CodegenNvrtc, compiles_every_kind_of_kernel) {
  const auto result =
      Nvrtc::instance()->compile(joined(test::launch_cases_of_every_kind()), GetParam());
  EXPECT_EQ(result.status, 0);
  EXPECT_EQ(result.log, "");
  EXPECT_GT(result.cubin_bytes, 0U);
}

INSTANTIATE_TEST_SUITE_P(Architectures, CodegenNvrtc,
                         testing::Values("sm_75", "sm_80", "sm_86", "sm_89", "sm_90", "sm_100",
                                         "sm_120"),
                         [](const auto& info) { return std::string(info.param); });

using CodegenPtx = CodegenNvrtc;

TEST_F(CodegenPtx, all_cases_compile) {
  const auto result = Nvrtc::instance()->compile(joined(test::launch_cases()), "compute_75");
  EXPECT_EQ(result.status, 0);
  EXPECT_EQ(result.log, "");
}

// More elements than 32 bits count, which no test has the time to run.
TEST_F(CodegenPtx, reductions_with_64_bit_indices_compile) {
  LaunchCases cases;
  for (const std::vector<std::int64_t>& axes :
       std::vector<std::vector<std::int64_t>>{{0}, {1}, {2}, {0, 2}, {0, 1, 2}}) {
    LaunchCase& c = test::add_case(cases, "huge");
    const Value x = c.leaf({3000, 1, 1000}), y = c.leaf({1, 2000, 1});
    graph::Expression e;
    e.add_output((Expr{&e, e.input(0)} * Expr{&e, e.input(1)}).id);
    ops::reduce(ops::ReduceKind::sum, {x, y}, e, axes);
    EXPECT_NE(c.launch().source.find("typedef gen::u64 Index"), std::string::npos);
  }
  const auto result = Nvrtc::instance()->compile(joined(cases), "compute_75");
  EXPECT_EQ(result.status, 0);
  EXPECT_EQ(result.log, "");
}

std::string ptx_of(const std::function<void(LaunchCase&)>& build) {
  LaunchCase c("ptx");
  build(c);
  const auto result = Nvrtc::instance()->compile(
      backend::cuda::generated_prelude() + c.launch().source, "compute_75");
  EXPECT_EQ(result.status, 0) << result.log;
  return result.ptx;
}
std::size_t count(const std::string& text, const std::string& what) {
  std::size_t found = 0;
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) {
    ++found;
  }
  return found;
}

TEST_F(CodegenPtx, a_pointwise_kernel_moves_128_bits_at_a_time) {
  const std::string ptx = ptx_of([](LaunchCase& c) {
    ops::map(c.leaf({512, 64}), c.leaf({64}), c.leaf({512, 1}),
             [](Expr x, Expr y, Expr z) { return x * y + z; });
  });
  EXPECT_EQ(count(ptx, "ld.global.v4"), 2U) << ptx;
  EXPECT_EQ(count(ptx, "st.global.v4"), 1U);
  // What is broadcast along the rows is read once for four elements.
  EXPECT_EQ(count(ptx, "ld.global.f32") + count(ptx, "ld.global.b32"), 1U);
  EXPECT_EQ(count(ptx, "st.global.f32") + count(ptx, "st.global.b32"), 0U);
}

// Eight elements of 16 bits, not four; what float32 has of them takes two accesses.
TEST_F(CodegenPtx, a_pointwise_kernel_moves_128_bits_of_16_bit_types_at_a_time) {
  for (const DType dtype : {DType::bfloat16, DType::float16}) {
    const std::string ptx = ptx_of([&](LaunchCase& c) {
      ops::cast(ops::map(c.leaf({512, 64}, dtype), c.leaf({64}, dtype),
                         [](Expr x, Expr y) { return relu(x + y); }),
                DType::float32);
    });
    // Two inputs, and their result once more to be converted.
    EXPECT_EQ(count(ptx, "ld.global.v4"), 3U) << ptx;
    EXPECT_EQ(count(ptx, "st.global.v4"), 3U) << ptx;
    EXPECT_EQ(count(ptx, "ld.global"), 3U) << ptx;
    EXPECT_EQ(count(ptx, "st.global"), 3U) << ptx;
  }
  // What has no multiple of eight elements is read four at a time.
  const std::string ptx = ptx_of([&](LaunchCase& c) {
    ops::map(c.leaf({515, 4}, DType::bfloat16), [](Expr x) { return relu(x); });
  });
  EXPECT_EQ(count(ptx, "ld.global"), 1U) << ptx;
}

TEST_F(CodegenPtx, a_reduction_reads_128_bits_at_a_time) {
  for (const std::int64_t axis : {0, 1}) {
    const std::string ptx = ptx_of([&](LaunchCase& c) {
      ops::reduce_sum(c.leaf({20'000, 128}), {axis});
    });
    EXPECT_GE(count(ptx, "ld.global.v4"), 4U) << ptx;
  }
  const std::string ptx = ptx_of([](LaunchCase& c) { ops::reduce_sum_all(c.leaf({500'001})); });
  EXPECT_GE(count(ptx, "ld.global.v4"), 4U) << ptx;
}

TEST_F(CodegenPtx, numbers_keep_all_their_bits) {
  const std::string ptx = ptx_of([](LaunchCase& c) {
    ops::map(c.leaf({64}), [](Expr x) { return (x + 0.1f) * 16777215.0f - 1e-41f; });
  });
  for (const char* bits : {"0f3DCCCCCD", "0f4B7FFFFF", "0f80001BE0"}) {
    EXPECT_NE(ptx.find(bits), std::string::npos) << bits << "\n" << ptx;
  }
}

TEST_F(CodegenPtx, dropout_draws_one_block_for_four_elements) {
  const std::string ptx = ptx_of([](LaunchCase& c) {
    const Value x = c.leaf({4096});
    graph::Expression e;
    const Expr keep = less(test::uniform_of(e, 3), 0.5f);
    e.add_output((keep * Expr{&e, e.input(0)}).id);
    ops::pointwise({x}, e);
  });
  // Ten rounds of two wide products.
  EXPECT_LE(count(ptx, "mul.wide.u32") + count(ptx, "mul.hi.u32"), 24U) << ptx;
}

}  // namespace
}  // namespace stoker

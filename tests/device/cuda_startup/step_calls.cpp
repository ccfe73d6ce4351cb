// What a training step asks of CUDA once it is warm: the whole library on a runtime that is a fake,
// with kernels of ours in cuDNN's place.
#include <gtest/gtest.h>
#include <stoker/stoker.h>

#include <cstdlib>
#include <iostream>
#include <map>
#include <string_view>

#include "device/cuda/libraries.h"
#include "device/cuda_startup/fake_runtime.h"
#include "support/allocation_counter.h"
#include "support/sanitizer.h"

namespace stoker {
namespace device {

// Stand for the libraries that libraries.cpp would load.
const Nvrtc& nvrtc() {
  static const Nvrtc table = [] {
    Nvrtc fake;
    fake.get_error_string = [](nvrtcResult) { return "fake"; };
    fake.get_num_supported_archs = [](int* count) {
      *count = 1;
      return NVRTC_SUCCESS;
    };
    fake.get_supported_archs = [](int* architectures) {
      *architectures = 90;
      return NVRTC_SUCCESS;
    };
    fake.create_program = [](nvrtcProgram*, const char*, const char*, int, const char* const*,
                             const char* const*) { return NVRTC_SUCCESS; };
    fake.destroy_program = [](nvrtcProgram*) { return NVRTC_SUCCESS; };
    fake.compile_program = [](nvrtcProgram, int, const char* const*) { return NVRTC_SUCCESS; };
    fake.get_cubin_size = [](nvrtcProgram, std::size_t* bytes) {
      *bytes = 1;
      return NVRTC_SUCCESS;
    };
    fake.get_cubin = [](nvrtcProgram, char* code) {
      *code = 0;
      return NVRTC_SUCCESS;
    };
    return fake;
  }();
  return table;
}

int open_handles = 0;

const Cudnn& cudnn() {
  static const Cudnn table = [] {
    Cudnn fake;
    fake.version = 91900;
    fake.create = [](cudnnHandle_t*) {
      ++open_handles;
      return CUDNN_STATUS_SUCCESS;
    };
    fake.destroy = [](cudnnHandle_t) {
      --open_handles;
      return CUDNN_STATUS_SUCCESS;
    };
    fake.get_error_string = [](cudnnStatus_t) { return "fake"; };
    return fake;
  }();
  return table;
}

}  // namespace device

namespace {

using testing::fake_runtime;
using Calls = std::map<std::string_view, int>;

// Counts allocations at two batches of a fit whose ring is short, so that the step is never more
// than a few batches behind.
struct Marks {
  test::AllocationCounter counter;
  std::int64_t first = -1, last = -1;
  std::uint64_t begin = 0, end = 0;
};

auto batches(Marks& marks) {
  return generator<float, std::int32_t>(
      {.x = {16, 28, 28, 1}, .y = {16}},
      [&marks](BatchContext& batch, std::span<float> x, std::span<std::int32_t> y) {
        if (batch.sequence == marks.first) marks.begin = marks.counter.count();
        if (batch.sequence == marks.last) marks.end = marks.counter.count();
        batch.random.fill_uniform(x);
        for (auto& label : y) label = static_cast<std::int32_t>(batch.random.integer(0, 10));
      });
}

class StepCalls : public ::testing::Test {
 protected:
  StepCalls()
      : model_({Input({28, 28, 1}), Conv2D(4, 3, {.activation = "relu"}), Flatten(), Dropout(0.5),
                Dense(10)},
               {.device = Device::cuda(0)}) {
    fake_runtime().calls.reserve(1 << 16);
    model_.compile({.optimizer = Adam(),
                    .loss = SparseCategoricalCrossentropy({.from_logits = true}),
                    .metrics = {"accuracy"}});
  }

  // Calls of an epoch of so many steps, made after others.
  Calls calls_of(std::int64_t steps) {
    Marks none;
    auto source = batches(none);
    fake_runtime().calls.clear();
    model_.fit_generator(source, {.steps_per_epoch = steps, .verbose = 0});
    Calls calls;
    for (const std::string_view call : fake_runtime().calls) ++calls[call];
    return calls;
  }

  Sequential model_;
};

TEST_F(StepCalls, are_nine) {
  constexpr int kSteps = 40;
  calls_of(20);  // the first step makes single launches, the second one captures
  EXPECT_GT(fake_runtime().captured, 10);
  const Calls some = calls_of(20);
  int sum = 0;
  Calls a_step;
  for (const auto& [call, count] : calls_of(20 + kSteps)) {
    const auto before = some.find(call);
    const int more = count - (before == some.end() ? 0 : before->second);
    EXPECT_EQ(more % kSteps, 0) << call << ": " << more << " in " << kSteps << " steps";
    if (more == 0) continue;
    a_step[call] = more / kSteps;
    std::cout << more / kSteps << " x " << call << '\n';
    sum += more / kSteps;
  }
  EXPECT_LE(sum, 9);
  const Calls expected{{"cudaStreamWaitEvent", 2}, {"cudaMemcpyAsync", 1},
                       {"cudaEventRecord", 2},     {"cudaGraphLaunch", 1},
                       {"cudaEventQuery", 1},      {"cudaEventElapsedTime", 2}};
  EXPECT_EQ(a_step, expected);
}

#if !STOKER_SANITIZED_MALLOC
TEST_F(StepCalls, allocate_nothing) {
  calls_of(20);
  Marks marks;
  marks.first = 20;
  marks.last = 70;
  auto source = batches(marks);
  fake_runtime().calls.clear();
  model_.fit_generator(source, {.steps_per_epoch = 90, .verbose = 0, .max_queue_size = 1});
  EXPECT_GT(marks.end, 0U);
  EXPECT_EQ(marks.end - marks.begin, 0U);
}
#endif  // !STOKER_SANITIZED_MALLOC

// A batch out of tensors on the device: the numbers of its rows and the slot's header travel, and
// each field is one launch, however many rows there are.
TEST_F(StepCalls, of_a_cached_data_set_copy_no_row) {
  const auto epoch_of = [&](std::int64_t batch_size) {
    const Tensor x = Tensor::normal({640, 28, 28, 1}, 0.0f, 1.0f, 1);
    const Tensor y({640}, DType::int32);
    auto source = cache_on_device(x, y, {.batch_size = batch_size});
    model_.fit(source, {.epochs = 2, .verbose = 0});  // its plans and its memory
    const auto calls_of_epochs = [&](std::int64_t epochs) {
      fake_runtime().calls.clear();
      model_.fit(source, {.epochs = epochs, .verbose = 0});
      Calls calls;
      for (const std::string_view call : fake_runtime().calls) ++calls[call];
      return calls;
    };
    const Calls two = calls_of_epochs(2);
    Calls more = calls_of_epochs(3);
    for (const auto& [call, count] : two) more[call] -= count;
    return more;
  };
  for (const int batch_size : {64, 160}) {
    const int batches = 640 / batch_size;
    Calls calls = epoch_of(batch_size);
    EXPECT_EQ(calls["cudaLaunchKernelExC"], 2 * batches);
    EXPECT_EQ(calls["cudaGraphLaunch"], batches);
    EXPECT_EQ(calls["cudaMalloc"], 0);
    // Beside them an epoch reads the losses back a few times.
    EXPECT_GE(calls["cudaMemcpyAsync"], 2 * batches);
    EXPECT_LE(calls["cudaMemcpyAsync"], 2 * batches + 4);
  }
}

// The process keeps one for the plans that its models share; each model has one to run on.
TEST_F(StepCalls, handles_of_cudnn_go_with_their_models) {
  const int before = device::open_handles;
  {
    const Sequential first({Input({4}), Dense(2)}, {.device = Device::cuda(0)});
    const Sequential second({Input({4}), Dense(2)}, {.device = Device::cuda(0)});
    EXPECT_EQ(device::open_handles, before + 2);
  }
  EXPECT_EQ(device::open_handles, before);
}

}  // namespace
}  // namespace stoker

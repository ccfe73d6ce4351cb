// What cuda_device.cpp asks of CUDA, on a runtime that is a fake: order, errors, and silence after
// an error that ended the device. Only in builds with CUDA's headers; links no CUDA.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <thread>

#include "device/cuda/cuda_device.h"
#include "device/cuda/libraries.h"
#include "device/cuda_startup/fake_runtime.h"
#include "device/cuda_status.h"
#include "stoker/error.h"

namespace stoker::device {

using stoker::testing::fake_runtime;

// Stands for the launch of the kernel, in memory that is the host's.
cudaError_t enqueue_gather(const RowGather& gather, const std::int64_t* rows, std::size_t count,
                           cudaStream_t) {
  fake_runtime().calls.emplace_back("gather");
  std::byte* to = gather.to;
  for (std::size_t i = 0; i < count; ++i, to += gather.row_bytes) {
    std::memcpy(to, gather.from + static_cast<std::size_t>(rows[i]) * gather.row_bytes,
                gather.row_bytes);
  }
  return fake_runtime().answer("cudaLaunchKernelExC");
}

namespace {

class CudaDeviceCalls : public ::testing::Test {
 protected:
  void SetUp() override { fake_runtime() = {}; }

  static std::string thrown_by(const std::function<void()>& call) {
    try {
      call();
    } catch (const DeviceError& error) {
      return error.what();
    }
    return "";
  }
  static bool is_zero(const Buffer& buffer) {
    return std::all_of(buffer.data(), buffer.data() + buffer.bytes(),
                       [](std::byte byte) { return byte == std::byte{0}; });
  }
};

TEST_F(CudaDeviceCalls, the_device_knows_itself) {
  const CudaDevice device(1);
  EXPECT_EQ(device.name(), "cuda:1");
  EXPECT_EQ(device.properties().name, "Fake");
  EXPECT_EQ(device.properties().capability_major, 9);
  EXPECT_EQ(device.properties().multiprocessors, 132);
  EXPECT_EQ(device.properties().memory_bytes, 1000u);
}

TEST_F(CudaDeviceCalls, a_machine_with_all_of_it_is_usable_and_hands_out_one_device) {
  const CudaStatus& status = cuda_status();
  if (!nvrtc().problem.empty() || !cudnn().problem.empty()) GTEST_SKIP() << status.line;
  EXPECT_TRUE(status.usable) << status.line;
  EXPECT_EQ(status.line.find("cuda:0 Fake, compute capability 9.0, driver 13."), 0u) << status.line;
  EXPECT_EQ(make_cuda_device(0), make_cuda_device(0));
  EXPECT_EQ(thrown_by([] { make_cuda_device(1); }),
            "cuda:1: there is no device cuda:1, the last one is cuda:0");
}

TEST_F(CudaDeviceCalls, memory_is_zero_when_it_is_made) {
  CudaDevice device(0);
  EXPECT_TRUE(is_zero(*device.allocate(100)));
  EXPECT_TRUE(is_zero(*device.allocate_pinned(100)));
  EXPECT_NE(device.allocate(0)->data(), nullptr);
  EXPECT_EQ(fake_runtime().count("cudaFree"), 2);
  EXPECT_EQ(fake_runtime().count("cudaFreeHost"), 1);
}

TEST_F(CudaDeviceCalls, streams_do_not_wait_for_the_default_stream_and_events_measure_nothing) {
  CudaDevice device(0);
  device.make_stream();
  device.make_event();
  EXPECT_EQ(fake_runtime().stream_flags, unsigned{cudaStreamNonBlocking});
  EXPECT_EQ(fake_runtime().event_flags, unsigned{cudaEventDisableTiming});
  EXPECT_EQ(fake_runtime().count("cudaStreamDestroy"), 1);
  EXPECT_EQ(fake_runtime().count("cudaEventDestroy"), 1);
}

TEST_F(CudaDeviceCalls, out_of_memory_says_how_much_there_was) {
  CudaDevice device(0);
  fake_runtime().answers = {{"cudaMalloc", cudaErrorMemoryAllocation},
                            {"cudaHostAlloc", cudaErrorMemoryAllocation}};
  EXPECT_EQ(thrown_by([&] { device.allocate(1073741824); }),
            "cuda:0: out of memory: no 1073741824 bytes for a buffer (free: 300 of 1000)");
  EXPECT_EQ(fake_runtime().last_error, cudaSuccess);
  EXPECT_EQ(thrown_by([&] { device.allocate_pinned(1073741824); }),
            "cuda:0: no 1073741824 bytes of pinned memory of the host");
  EXPECT_EQ(fake_runtime().last_error, cudaSuccess);
  fake_runtime().answers.clear();
  EXPECT_TRUE(is_zero(*device.allocate(100)));
}

TEST_F(CudaDeviceCalls, an_event_that_has_not_passed_is_no_error) {
  CudaDevice device(0);
  const auto event = device.make_event();
  fake_runtime().answers = {{"cudaEventQuery", cudaErrorNotReady}};
  EXPECT_FALSE(event->has_passed());
  EXPECT_EQ(fake_runtime().last_error, cudaSuccess);
  fake_runtime().answers.clear();
  EXPECT_TRUE(event->has_passed());
}

// Whatever the number of rows: one upload of their numbers, and a launch for each tensor.
TEST_F(CudaDeviceCalls, rows_are_gathered_by_a_launch_a_tensor) {
  CudaDevice device(0);
  const auto stream = device.make_stream();
  const std::array<std::int64_t, 3> rows{2, 0, 2};
  const std::array<std::int32_t, 6> from{1, 2, 3, 4, 5, 6};
  const std::array<std::uint8_t, 3> other{7, 8, 9};
  std::array<std::int32_t, 6> to{};
  std::array<std::uint8_t, 3> other_to{};
  const std::array<RowGather, 2> gathers{{{reinterpret_cast<std::byte*>(to.data()),
                                           reinterpret_cast<const std::byte*>(from.data()), 8},
                                          {reinterpret_cast<std::byte*>(other_to.data()),
                                           reinterpret_cast<const std::byte*>(other.data()), 1}}};
  stream->gather_rows(gathers, rows);  // allocates
  to = {};
  other_to = {};
  fake_runtime().calls.clear();
  stream->gather_rows(gathers, rows);
  EXPECT_EQ(to, (std::array<std::int32_t, 6>{5, 6, 1, 2, 5, 6}));
  EXPECT_EQ(other_to, (std::array<std::uint8_t, 3>{9, 7, 9}));
  EXPECT_EQ(fake_runtime().count("cudaMemcpyAsync"), 1);
  EXPECT_EQ(fake_runtime().count("gather"), 2);
  EXPECT_EQ(fake_runtime().count("cudaMalloc"), 0);
  // Fewer rows do with the memory of more; none need nothing.
  fake_runtime().calls.clear();
  stream->gather_rows(gathers, std::span(rows).first(1));
  stream->gather_rows(gathers, {});
  EXPECT_EQ(fake_runtime().count("cudaMalloc"), 0);
  EXPECT_EQ(fake_runtime().count("cudaMemcpyAsync"), 1);
  EXPECT_NE(stream->native(), nullptr);
}

TEST_F(CudaDeviceCalls, a_gather_that_does_not_start_is_an_error) {
  CudaDevice device(0);
  const auto stream = device.make_stream();
  const std::array<std::int64_t, 1> rows{0};
  std::array<std::byte, 1> from{}, to{};
  fake_runtime().answers = {{"cudaLaunchKernelExC", cudaErrorInvalidValue}};
  const RowGather gather{to.data(), from.data(), 1};
  EXPECT_EQ(thrown_by([&] { stream->gather_rows(std::span(&gather, 1), rows); }),
            "cuda:0: cudaErrorFake in the launch of a gather (as told)");
}

TEST_F(CudaDeviceCalls, timed_events_tell_what_passed_between_them) {
  CudaDevice device(0);
  const auto begin = device.make_timed_event();
  const auto end = device.make_timed_event();
  EXPECT_EQ(fake_runtime().event_flags, unsigned{cudaEventDefault});
  EXPECT_DOUBLE_EQ(end->seconds_since(*begin), 2e-3);  // as the fake has it
}

TEST_F(CudaDeviceCalls, calls_that_depend_on_the_current_device_set_it_each_time) {
  CudaDevice device(0);
  const auto stream = device.make_stream();
  std::array<std::byte, 4> a{};
  const std::vector<std::function<void()>> uses = {
      [&] { stream->fill_zero(a.data(), 4); },
      [&] { stream->synchronize(); },
      [&] { device.memory(); },
  };
  for (const auto& use : uses) {
    fake_runtime().calls.clear();
    use();
    ASSERT_EQ(fake_runtime().calls.size(), 2u);
    EXPECT_EQ(fake_runtime().calls.front(), "cudaSetDevice") << fake_runtime().calls.back();
  }
}

// On a thread that never set one, the runtime would set up device 0.
TEST_F(CudaDeviceCalls, calls_that_name_a_stream_or_an_event_set_the_device_once_a_thread) {
  CudaDevice device(0);
  const auto stream = device.make_stream();
  const auto event = device.make_timed_event();
  std::array<std::byte, 4> a{}, b{};
  const std::vector<std::function<void()>> uses = {
      [&] { stream->copy_to_device(a.data(), b.data(), 4); },
      [&] { stream->copy_to_host(a.data(), b.data(), 4); },
      [&] { stream->record(*event); },
      [&] { stream->wait(*event); },
      [&] { event->synchronize(); },
      [&] { event->has_passed(); },
      [&] { event->seconds_since(*event); },
  };
  for (const auto& use : uses) {
    fake_runtime().calls.clear();
    std::thread([&] {
      use();
      use();
    }).join();
    const auto& calls = fake_runtime().calls;
    ASSERT_EQ(calls.size(), 3u) << calls.back();
    EXPECT_EQ(calls[0], "cudaSetDevice") << calls.back();
    EXPECT_EQ(calls[1], calls[2]);
  }
}

TEST_F(CudaDeviceCalls, work_runs_on_the_calling_thread) {
  struct Counting final : Work {
    void run() override { ++runs; }
    int runs = 0;
  } work;
  CudaDevice device(0);
  device.make_stream()->launch(work);
  EXPECT_EQ(work.runs, 1);
}

TEST_F(CudaDeviceCalls, an_ordinary_error_leaves_the_device_as_it_was) {
  CudaDevice device(0);
  const auto stream = device.make_stream();
  std::byte byte{};
  fake_runtime().answers = {{"cudaMemsetAsync", cudaErrorInvalidValue}};
  EXPECT_EQ(thrown_by([&] { stream->fill_zero(&byte, 1); }),
            "cuda:0: cudaErrorFake in cudaMemsetAsync (as told)");
  EXPECT_EQ(fake_runtime().last_error, cudaSuccess);
  fake_runtime().answers.clear();
  EXPECT_EQ(thrown_by([&] { stream->fill_zero(&byte, 1); }), "");
}

TEST_F(CudaDeviceCalls, after_a_sticky_error_nothing_is_called_any_more) {
  CudaDevice device(0);
  std::byte byte{};
  std::string first;
  {
    const auto stream = device.make_stream();
    const auto event = device.make_event();
    const auto memory = device.allocate(1);
    const auto pinned = device.allocate_pinned(1);
    fake_runtime().answers = {{"cudaStreamSynchronize", cudaErrorIllegalAddress}};
    first = thrown_by([&] { stream->synchronize(); });
    EXPECT_NE(first, "");
    fake_runtime().calls.clear();
    const std::vector<std::function<void()>> uses = {
        [&] { device.allocate(1); },
        [&] { device.allocate_pinned(1); },
        [&] { device.make_stream(); },
        [&] { device.make_event(); },
        [&] { stream->copy_to_device(&byte, &byte, 1); },
        [&] { stream->copy_to_host(&byte, &byte, 1); },
        [&] { stream->fill_zero(&byte, 1); },
        [&] { stream->record(*event); },
        [&] { stream->wait(*event); },
        [&] { stream->synchronize(); },
        [&] { event->synchronize(); },
        [&] { event->has_passed(); },
    };
    for (const auto& use : uses) EXPECT_EQ(thrown_by(use), first);
  }  // destructors
  EXPECT_EQ(fake_runtime().calls, std::vector<std::string_view>());
}

TEST_F(CudaDeviceCalls, a_sticky_error_in_a_destructor_comes_out_of_the_next_call) {
  CudaDevice device(0);
  fake_runtime().answers = {{"cudaFree", cudaErrorLaunchFailure}};
  device.allocate(1);
  fake_runtime().calls.clear();
  EXPECT_NE(thrown_by([&] { device.allocate(1); }).find("in cudaFree"), std::string::npos);
  EXPECT_EQ(fake_runtime().calls, std::vector<std::string_view>());
}

}  // namespace
}  // namespace stoker::device

#include "device/cuda_startup/fake_runtime.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace stoker::testing {

FakeRuntime& fake_runtime() {
  static FakeRuntime runtime;
  return runtime;
}

cudaError_t FakeRuntime::answer(const char* call) {
  calls.emplace_back(call);
  if (answers.empty()) return cudaSuccess;
  const auto found = answers.find(call);
  const cudaError_t error = found == answers.end() ? cudaSuccess : found->second;
  if (error != cudaSuccess) last_error = error;
  return error;
}

int FakeRuntime::count(std::string_view call) const {
  return static_cast<int>(std::count(calls.begin(), calls.end(), call));
}

}  // namespace stoker::testing

namespace {

using stoker::testing::fake_runtime;

cudaError_t answer(const char* call) { return fake_runtime().answer(call); }

// Not zero, so that a buffer that nobody cleared shows.
cudaError_t allocate(const char* call, void** data, std::size_t bytes) {
  const cudaError_t error = answer(call);
  if (error != cudaSuccess) return error;
  *data = std::malloc(bytes);
  std::memset(*data, 0xa5, bytes);
  return cudaSuccess;
}

cudaError_t release(const char* call, void* data) {
  std::free(data);
  return answer(call);
}

template <class Handle>
cudaError_t make(const char* call, Handle* handle) {
  static int any = 0;
  *handle = reinterpret_cast<Handle>(&any);
  return answer(call);
}

}  // namespace

extern "C" {

const char* cudaGetErrorName(cudaError_t) { return "cudaErrorFake"; }
const char* cudaGetErrorString(cudaError_t) { return "as told"; }
cudaError_t cudaGetLastError() { return std::exchange(fake_runtime().last_error, cudaSuccess); }

cudaError_t cudaDriverGetVersion(int* version) {
  *version = CUDART_VERSION;
  return answer("cudaDriverGetVersion");
}
cudaError_t cudaGetDeviceCount(int* count) {
  *count = 1;
  return answer("cudaGetDeviceCount");
}
cudaError_t cudaSetDevice(int) { return answer("cudaSetDevice"); }
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
  std::strcpy(properties->name, "Fake");
  properties->major = 9;
  properties->multiProcessorCount = 132;
  properties->totalGlobalMem = 1000;
  return answer("cudaGetDeviceProperties");
}

cudaError_t cudaMalloc(void** data, std::size_t bytes) {
  return allocate("cudaMalloc", data, bytes);
}
cudaError_t cudaHostAlloc(void** data, std::size_t bytes, unsigned) {
  return allocate("cudaHostAlloc", data, bytes);
}
cudaError_t cudaFree(void* data) { return release("cudaFree", data); }
cudaError_t cudaFreeHost(void* data) { return release("cudaFreeHost", data); }
cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  *free = 300;
  *total = 1000;
  return answer("cudaMemGetInfo");
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind,
                            cudaStream_t) {
  const cudaError_t error = answer("cudaMemcpyAsync");
  if (error == cudaSuccess) std::memcpy(to, from, bytes);
  return error;
}
cudaError_t cudaMemsetAsync(void* to, int value, std::size_t bytes, cudaStream_t) {
  std::memset(to, value, bytes);
  return answer("cudaMemsetAsync");
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  fake_runtime().stream_flags = flags;
  return make("cudaStreamCreateWithFlags", stream);
}
cudaError_t cudaStreamDestroy(cudaStream_t) { return answer("cudaStreamDestroy"); }
cudaError_t cudaStreamSynchronize(cudaStream_t) { return answer("cudaStreamSynchronize"); }
cudaError_t cudaStreamWaitEvent(cudaStream_t, cudaEvent_t, unsigned) {
  return answer("cudaStreamWaitEvent");
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  fake_runtime().event_flags = flags;
  return make("cudaEventCreateWithFlags", event);
}
cudaError_t cudaEventDestroy(cudaEvent_t) { return answer("cudaEventDestroy"); }
cudaError_t cudaEventRecord(cudaEvent_t, cudaStream_t) { return answer("cudaEventRecord"); }
cudaError_t cudaEventQuery(cudaEvent_t) { return answer("cudaEventQuery"); }
cudaError_t cudaEventSynchronize(cudaEvent_t) { return answer("cudaEventSynchronize"); }
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t, cudaEvent_t) {
  *milliseconds = 2.0f;
  return answer("cudaEventElapsedTime");
}

// ---- Launches and graphs ----
cudaError_t cudaLaunchKernelExC(const cudaLaunchConfig_t*, const void*, void**) {
  fake_runtime().captured += fake_runtime().is_capturing ? 1 : 0;
  return answer("cudaLaunchKernelExC");
}
cudaError_t cudaStreamBeginCapture(cudaStream_t, cudaStreamCaptureMode) {
  fake_runtime().is_capturing = true;
  fake_runtime().captured = 0;
  return answer("cudaStreamBeginCapture");
}
cudaError_t cudaStreamEndCapture(cudaStream_t, cudaGraph_t* graph) {
  fake_runtime().is_capturing = false;
  return make("cudaStreamEndCapture", graph);
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* graph, cudaGraph_t, unsigned long long) {
  return make("cudaGraphInstantiate", graph);
}
cudaError_t cudaGraphDestroy(cudaGraph_t) { return answer("cudaGraphDestroy"); }
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t) { return answer("cudaGraphExecDestroy"); }
cudaError_t cudaGraphLaunch(cudaGraphExec_t, cudaStream_t) { return answer("cudaGraphLaunch"); }

cudaError_t cudaLibraryLoadData(cudaLibrary_t* library, const void*, cudaJitOption*, void**,
                                unsigned, cudaLibraryOption*, void**, unsigned) {
  return make("cudaLibraryLoadData", library);
}
cudaError_t cudaLibraryUnload(cudaLibrary_t) { return answer("cudaLibraryUnload"); }
cudaError_t cudaLibraryGetKernel(cudaKernel_t* kernel, cudaLibrary_t, const char*) {
  return make("cudaLibraryGetKernel", kernel);
}

// What nvcc's code for the host calls: kernels are registered when the program starts.
void** __cudaRegisterFatBinary(void*) { return nullptr; }
void __cudaRegisterFatBinaryEnd(void**) {}
void __cudaUnregisterFatBinary(void**) {}
char __cudaInitModule(void**) { return 0; }  // called by unoptimised code alone
void __cudaRegisterFunction(void**, const char*, char*, const char*, int, uint3*, uint3*, dim3*,
                            dim3*, int*) {}
cudaError_t __cudaPopCallConfiguration(dim3*, dim3*, std::size_t*, void*) {
  return cudaErrorNotSupported;
}
cudaError_t __cudaGetKernel(cudaKernel_t*, const void*) { return cudaErrorNotSupported; }
cudaError_t __cudaLaunchKernel(cudaKernel_t, dim3, dim3, void**, std::size_t, cudaStream_t) {
  return cudaErrorNotSupported;
}

}  // extern "C"

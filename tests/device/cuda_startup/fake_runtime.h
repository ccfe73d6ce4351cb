// CUDA's runtime as far as Stoker calls it, on the host's memory: it lists the calls and fails
// where it is told to. Kernels and graphs do nothing. Linked in place of cudart.
#pragma once

#include <cuda_runtime_api.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace stoker::testing {

struct FakeRuntime {
  std::vector<std::string_view> calls;  // literals: a call allocates where this is full alone
  std::map<std::string, cudaError_t> answers;  // by call; cudaSuccess for all others
  cudaError_t last_error = cudaSuccess;        // what cudaGetLastError would give
  unsigned event_flags = 0;
  unsigned stream_flags = 0;
  bool is_capturing = false;
  int captured = 0;  // launches in the last capture

  cudaError_t answer(const char* call);
  int count(std::string_view call) const;
};

FakeRuntime& fake_runtime();

}  // namespace stoker::testing

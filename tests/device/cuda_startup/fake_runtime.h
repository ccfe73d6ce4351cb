// CUDA's runtime as far as cuda_device.cpp calls it, on the host's memory: it lists the calls and
// fails where it is told to. Linked in place of cudart.
#pragma once

#include <cuda_runtime_api.h>

#include <map>
#include <string>
#include <vector>

namespace stoker::testing {

struct FakeRuntime {
  std::vector<std::string> calls;
  std::map<std::string, cudaError_t> answers;  // by call; cudaSuccess for all others
  cudaError_t last_error = cudaSuccess;        // what cudaGetLastError would give
  unsigned event_flags = 0;
  unsigned stream_flags = 0;

  cudaError_t answer(const std::string& call);
  int count(const std::string& call) const;
};

FakeRuntime& fake_runtime();

}  // namespace stoker::testing

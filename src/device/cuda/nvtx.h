// Names for stretches of time in NVIDIA's profilers. Without a profiler a range costs a few
// nanoseconds: NVTX is a header that looks for a tool once and otherwise does nothing.
#pragma once

#include <nvtx3/nvToolsExt.h>

namespace stoker::device {

// A range from here to the end of the scope, on the calling thread.
class NvtxRange {
 public:
  explicit NvtxRange(const char* name) { nvtxRangePushA(name); }
  ~NvtxRange() { nvtxRangePop(); }
  NvtxRange(const NvtxRange&) = delete;
  NvtxRange& operator=(const NvtxRange&) = delete;
};

}  // namespace stoker::device

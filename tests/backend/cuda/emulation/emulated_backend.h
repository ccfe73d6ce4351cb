// The CUDA backend without a GPU: the same passes, lowering and launches, with our kernels and the
// generated ones run by the block emulator, and cuDNN's graphs computed from their definition.
#pragma once

#include <memory>
#include <string>

#include "backend/backend.h"
#include "backend/cuda/plan/launch_plan.h"
#include "backend/cuda/runtime/cudnn_plan.h"

namespace stoker::emulation {

enum class Dnn {
  accepts_all,  // as a GPU that cuDNN knows everything about
  refuses_all,  // our own kernels for every product
};

// `threads` counts for nothing.
std::unique_ptr<backend::Backend> make_emulated_backend(Dnn dnn = Dnn::accepts_all);
// With what this one accepts.
std::unique_ptr<backend::Backend> make_emulated_backend(
    std::shared_ptr<backend::cuda::DnnCompiler> dnn);

// Of what any such backend has compiled last.
const backend::cuda::LaunchPlan& last_plan();

// Generated sources become kernels of a shared object, which takes the compiler a second each time.
// A first run that only collects the sources of all tests makes one object of them:
//   collect_into(file)      kernels are written there and not run: results are garbage
//   compile_collected(file, library)
//   use_library(library)    of an earlier run; what it lacks is compiled when it is needed
void collect_into(const std::string& file);
void compile_collected(const std::string& file, const std::string& library);
void use_library(const std::string& library);

}  // namespace stoker::emulation

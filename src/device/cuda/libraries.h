// NVRTC and cuDNN, loaded when CUDA is first asked for. Nothing links to them: a program that needs
// them at load time would not start where they are missing.
#pragma once

#include <cudnn.h>
#include <nvrtc.h>

#include <cstddef>
#include <string>
#include <vector>

namespace stoker::device {

// The places in which libraries are looked for, in this order.
struct LibrarySearch {
  std::vector<std::string> first;  // folders
  bool loader = true;              // wherever dlopen looks by itself
  std::vector<std::string> last;   // folders
};

// Returns the usual search. The folders of STOKER_CUDA_LIBRARIES (separated by colons) come first,
// and those of the CUDA toolkit (CUDA_HOME, CUDA_PATH, /usr/local/cuda) last.
LibrarySearch default_search();

// Functions by their names in NVRTC without the prefix. If `problem` is empty, all of them are
// there; otherwise it says in one line what is missing, and none of them may be called.
struct Nvrtc {
  std::string problem;
  int major = 0;
  int minor = 0;

  decltype(&nvrtcVersion) version = nullptr;
  decltype(&nvrtcGetErrorString) get_error_string = nullptr;
  decltype(&nvrtcGetNumSupportedArchs) get_num_supported_archs = nullptr;
  decltype(&nvrtcGetSupportedArchs) get_supported_archs = nullptr;
  decltype(&nvrtcCreateProgram) create_program = nullptr;
  decltype(&nvrtcDestroyProgram) destroy_program = nullptr;
  decltype(&nvrtcCompileProgram) compile_program = nullptr;
  decltype(&nvrtcGetCUBINSize) get_cubin_size = nullptr;
  decltype(&nvrtcGetCUBIN) get_cubin = nullptr;
  decltype(&nvrtcGetPTXSize) get_ptx_size = nullptr;
  decltype(&nvrtcGetPTX) get_ptx = nullptr;
  decltype(&nvrtcGetProgramLogSize) get_program_log_size = nullptr;
  decltype(&nvrtcGetProgramLog) get_program_log = nullptr;
};

// cuDNN's functions, as Nvrtc has NVRTC's. cudnn_frontend's dynamic loading uses `handle`.
struct Cudnn {
  std::string problem;
  void* handle = nullptr;
  std::size_t version = 0;  // 91900 is 9.19.0

  decltype(&cudnnGetVersion) get_version = nullptr;
  decltype(&cudnnGetCudartVersion) get_cudart_version = nullptr;
  decltype(&cudnnGetErrorString) get_error_string = nullptr;
  decltype(&cudnnGetLastErrorString) get_last_error_string = nullptr;
  decltype(&cudnnCreate) create = nullptr;
  decltype(&cudnnDestroy) destroy = nullptr;
  decltype(&cudnnSetStream) set_stream = nullptr;
};

// The libraries stay loaded until the process ends, since their threads may still run when this
// library's statics are gone.
Nvrtc load_nvrtc(const LibrarySearch& search);
Cudnn load_cudnn(const LibrarySearch& search);

// These load the library from default_search() at the first call.
const Nvrtc& nvrtc();
const Cudnn& cudnn();

}  // namespace stoker::device

#include "backend/cuda/module.h"

#include "backend/cuda/code_cache.h"
#include "core/format.h"
#include "device/cuda/libraries.h"
#include "stoker/error.h"

namespace stoker::backend::cuda {
namespace {

void require(const device::Nvrtc& nvrtc, nvrtcResult result, const char* call) {
  if (result == NVRTC_SUCCESS) return;
  throw DeviceError(format("NVRTC: ", call, ": ", nvrtc.get_error_string(result)));
}

class Program {
 public:
  Program(const device::Nvrtc& nvrtc, const std::string& source) : nvrtc_(nvrtc) {
    require(nvrtc_,
            nvrtc_.create_program(&program_, source.c_str(), "stoker.cu", 0, nullptr, nullptr),
            "nvrtcCreateProgram");
  }
  ~Program() { nvrtc_.destroy_program(&program_); }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  std::vector<std::byte> compile(int capability) {
    const std::string architecture = format("--gpu-architecture=sm_", capability);
    const char* options[] = {architecture.c_str(), "--std=c++17", "-default-device"};
    const nvrtcResult result = nvrtc_.compile_program(program_, 3, options);
    if (result != NVRTC_SUCCESS) {
      throw DeviceError(
          format("NVRTC: ", nvrtc_.get_error_string(result), " for sm_", capability, "\n", log()));
    }
    std::size_t bytes = 0;
    require(nvrtc_, nvrtc_.get_cubin_size(program_, &bytes), "nvrtcGetCUBINSize");
    std::vector<std::byte> code(bytes);
    require(nvrtc_, nvrtc_.get_cubin(program_, reinterpret_cast<char*>(code.data())),
            "nvrtcGetCUBIN");
    return code;
  }

 private:
  std::string log() const {
    std::size_t bytes = 0;
    if (nvrtc_.get_program_log_size(program_, &bytes) != NVRTC_SUCCESS) return {};
    std::string text(bytes, '\0');
    if (nvrtc_.get_program_log(program_, text.data()) != NVRTC_SUCCESS) return {};
    return text;
  }

  const device::Nvrtc& nvrtc_;
  nvrtcProgram program_ = nullptr;
};

}  // namespace

std::vector<std::byte> compile_source(const std::string& source, int capability) {
  const device::Nvrtc& nvrtc = device::nvrtc();
  if (!nvrtc.problem.empty()) throw DeviceError(nvrtc.problem);
  const std::string key =
      format("sm_", capability, " nvrtc ", nvrtc.major, '.', nvrtc.minor, '\n', source);
  CodeCache cache = CodeCache::standard();
  if (auto code = cache.find(key)) return *std::move(code);
  std::vector<std::byte> code = Program(nvrtc, source).compile(capability);
  cache.store(key, code);
  return code;
}

Module::Module(device::CudaDevice& device, const std::vector<std::byte>& code) : device_(device) {
  device_.make_current();
  device_.check(
      cudaLibraryLoadData(&library_, code.data(), nullptr, nullptr, 0, nullptr, nullptr, 0),
      "cudaLibraryLoadData");
}

Module::~Module() {
  if (device_.try_make_current()) device_.note(cudaLibraryUnload(library_), "cudaLibraryUnload");
}

const void* Module::kernel(const std::string& name) const {
  cudaKernel_t kernel = nullptr;
  device_.check(cudaLibraryGetKernel(&kernel, library_, name.c_str()), "cudaLibraryGetKernel");
  return reinterpret_cast<const void*>(kernel);
}

}  // namespace stoker::backend::cuda

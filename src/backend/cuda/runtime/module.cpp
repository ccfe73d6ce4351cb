#include "backend/cuda/runtime/module.h"

#include "backend/cuda/codegen/device_headers.h"
#include "backend/cuda/runtime/architecture.h"
#include "backend/cuda/runtime/code_cache.h"
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
    std::vector<const char*> texts;
    std::vector<const char*> names;
    for (const DeviceHeader& header : device_headers()) {
      texts.push_back(header.text);
      names.push_back(header.name);
    }
    require(nvrtc_,
            nvrtc_.create_program(&program_, source.c_str(), "stoker.cu",
                                  static_cast<int>(texts.size()), texts.data(), names.data()),
            "nvrtcCreateProgram");
  }
  ~Program() { nvrtc_.destroy_program(&program_); }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  // Returns machine code for "sm_90", PTX for "compute_90".
  std::vector<std::byte> compile(const std::string& architecture) {
    const std::string option = "--gpu-architecture=" + architecture;
    const char* options[] = {option.c_str(), "--std=c++17", "-default-device"};
    const nvrtcResult result = nvrtc_.compile_program(program_, 3, options);
    if (result != NVRTC_SUCCESS) {
      throw DeviceError(
          format("NVRTC: ", nvrtc_.get_error_string(result), " for ", architecture, "\n", log()));
    }
    const bool machine_code = architecture.starts_with("sm_");
    std::size_t bytes = 0;
    require(nvrtc_,
            machine_code ? nvrtc_.get_cubin_size(program_, &bytes)
                         : nvrtc_.get_ptx_size(program_, &bytes),
            "the size of the code");
    std::vector<std::byte> code(bytes);
    auto* to = reinterpret_cast<char*>(code.data());
    require(nvrtc_, machine_code ? nvrtc_.get_cubin(program_, to) : nvrtc_.get_ptx(program_, to),
            "the code");
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

std::vector<int> supported_by(const device::Nvrtc& nvrtc) {
  int count = 0;
  require(nvrtc, nvrtc.get_num_supported_archs(&count), "nvrtcGetNumSupportedArchs");
  std::vector<int> supported(static_cast<std::size_t>(count));
  require(nvrtc, nvrtc.get_supported_archs(supported.data()), "nvrtcGetSupportedArchs");
  return supported;
}

}  // namespace

std::vector<std::byte> compile_source(const std::string& source, int capability) {
  const device::Nvrtc& nvrtc = device::nvrtc();
  if (!nvrtc.problem.empty()) throw DeviceError(nvrtc.problem);
  const std::string architecture = architecture_for(supported_by(nvrtc), capability);
  if (architecture.empty()) {
    throw DeviceError(format("NVRTC ", nvrtc.major, '.', nvrtc.minor,
                             " makes no code for compute capability ", capability / 10, '.',
                             capability % 10));
  }
  const std::string compiler = format(architecture, " nvrtc ", nvrtc.major, '.', nvrtc.minor);
  const std::string key = code_key(compiler, source, device_headers());
  CodeCache cache = CodeCache::standard();
  if (auto code = cache.find(key)) return *std::move(code);
  std::vector<std::byte> code = Program(nvrtc, source).compile(architecture);
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

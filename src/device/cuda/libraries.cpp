#include "device/cuda/libraries.h"

#include <cuda_runtime_api.h>
#include <dlfcn.h>
#include <link.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string_view>

#include "core/format.h"

namespace stoker::device {
namespace {

constexpr int kCudaMajor = CUDART_VERSION / 1000;

// The libraries that cuDNN's graphs and its calls for tensors open by themselves (LD_DEBUG=files
// shows them); they bring cuBLASLt along. cuDNN ends the process when one of them is missing.
constexpr const char* kCudnnParts[] = {
    "libcudnn_graph.so.9",
    "libcudnn_ops.so.9",
    "libcudnn_heuristic.so.9",
    "libcudnn_engines_runtime_compiled.so.9",
    "libcudnn_engines_precompiled.so.9",
};

constexpr const char* kAdvice = ", or set LD_LIBRARY_PATH or STOKER_CUDA_LIBRARIES";

struct Library {
  void* handle = nullptr;
  std::string folder;
  std::string error;  // about the first file that was there and could not be loaded
};

// ---- Search ----

void append_folders(std::vector<std::string>& folders, const char* variable) {
  const char* text = std::getenv(variable);
  if (text == nullptr) return;
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(':'), rest.size());
    if (end > 0) folders.emplace_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
}

void append_toolkit(std::vector<std::string>& folders, const std::string& root) {
  folders.push_back(root + "/lib64");
  folders.push_back(root + "/lib");
}

void open(Library& library, const std::string& path) {
  // RTLD_LAZY, since these libraries are large; RTLD_LOCAL, since the program may have its own of
  // another version.
  library.handle = dlopen(path.c_str(), RTLD_LAZY | RTLD_LOCAL);
  if (library.handle == nullptr && library.error.empty()) library.error = dlerror();
}

void open_in(Library& library, const std::vector<std::string>& folders, const std::string& name) {
  for (const std::string& folder : folders) {
    const std::string path = format(folder, '/', name);
    std::error_code ignored;
    if (!std::filesystem::exists(path, ignored)) continue;
    open(library, path);
    library.folder = folder;
    if (library.handle != nullptr) return;
  }
}

std::string folder_of(void* handle) {
  link_map* map = nullptr;
  if (dlinfo(handle, RTLD_DI_LINKMAP, &map) != 0) return "";
  return std::filesystem::path(map->l_name).parent_path();
}

void open_by_loader(Library& library, const std::string& name) {
  Library found;
  open(found, name);
  library.handle = found.handle;
  if (found.handle != nullptr) library.folder = folder_of(found.handle);
  // The message "NAME: cannot open ..." means that there is no such file. Any other message is
  // about a file that is there.
  if (!found.error.starts_with(name + ": cannot open") && library.error.empty()) {
    library.error = found.error;
  }
}

Library open(const std::string& name, const LibrarySearch& search) {
  Library library;
  open_in(library, search.first, name);
  if (library.handle == nullptr && search.loader) open_by_loader(library, name);
  if (library.handle == nullptr) open_in(library, search.last, name);
  return library;
}

// Makes the search begin in the folder of `library`, since libraries of one release lie together
// and should be used together.
LibrarySearch beside(const Library& library, LibrarySearch search) {
  search.first.insert(search.first.begin(), library.folder);
  return search;
}

// ---- Functions ----

template <class Function>
void resolve(void* handle, const char* name, Function& function, std::string& problem) {
  function = reinterpret_cast<Function>(dlsym(handle, name));
  if (function == nullptr && problem.empty()) problem = format("there is no ", name, " in it");
}

void resolve_all(void* handle, Nvrtc& table) {
  std::string& problem = table.problem;
  resolve(handle, "nvrtcVersion", table.version, problem);
  resolve(handle, "nvrtcGetErrorString", table.get_error_string, problem);
  resolve(handle, "nvrtcGetNumSupportedArchs", table.get_num_supported_archs, problem);
  resolve(handle, "nvrtcGetSupportedArchs", table.get_supported_archs, problem);
  resolve(handle, "nvrtcCreateProgram", table.create_program, problem);
  resolve(handle, "nvrtcDestroyProgram", table.destroy_program, problem);
  resolve(handle, "nvrtcCompileProgram", table.compile_program, problem);
  resolve(handle, "nvrtcGetCUBINSize", table.get_cubin_size, problem);
  resolve(handle, "nvrtcGetCUBIN", table.get_cubin, problem);
  resolve(handle, "nvrtcGetPTXSize", table.get_ptx_size, problem);
  resolve(handle, "nvrtcGetPTX", table.get_ptx, problem);
  resolve(handle, "nvrtcGetProgramLogSize", table.get_program_log_size, problem);
  resolve(handle, "nvrtcGetProgramLog", table.get_program_log, problem);
}

void resolve_all(void* handle, Cudnn& table) {
  std::string& problem = table.problem;
  resolve(handle, "cudnnGetVersion", table.get_version, problem);
  resolve(handle, "cudnnGetCudartVersion", table.get_cudart_version, problem);
  resolve(handle, "cudnnGetErrorString", table.get_error_string, problem);
  resolve(handle, "cudnnGetLastErrorString", table.get_last_error_string, problem);
  resolve(handle, "cudnnCreate", table.create, problem);
  resolve(handle, "cudnnDestroy", table.destroy, problem);
  resolve(handle, "cudnnSetStream", table.set_stream, problem);
}

// ---- NVRTC ----

// NVRTC opens its builtins at the first compilation only, so they are looked for here to report
// early that they are missing.
std::string why_not_builtins(const Nvrtc& table, const LibrarySearch& search) {
  const std::string name = format("libnvrtc-builtins.so.", table.major, '.', table.minor);
  const Library builtins = open(name, search);
  if (builtins.handle != nullptr) return "";
  if (!builtins.error.empty()) return "NVRTC does not load: " + builtins.error;
  return "NVRTC is incomplete: " + name + " is missing";
}

// ---- cuDNN ----

// If an older cuDNN is found, the message names it.
std::string why_not_cudnn_9(const LibrarySearch& search) {
  for (const char* name : {"libcudnn.so.8", "libcudnn.so.7"}) {
    const Library older = open(name, search);
    if (older.handle == nullptr) continue;
    decltype(&cudnnGetVersion) get_version = nullptr;
    std::string problem;
    resolve(older.handle, "cudnnGetVersion", get_version, problem);
    if (get_version == nullptr) continue;
    const std::size_t version = get_version();
    // Until cuDNN 8 a major version counted 1000.
    return format("cuDNN ", version / 1000, '.', version / 100 % 10, " found, 9 needed");
  }
  return format("libcudnn.so.9 not found (install cuDNN 9", kAdvice, ")");
}

std::string why_not_part(const std::string& name, const LibrarySearch& search) {
  const Library part = open(name, search);
  if (part.handle != nullptr) return "";
  if (!part.error.empty()) return "cuDNN does not load: " + part.error;
  return "cuDNN is incomplete: " + name + " is missing";
}

// Loads all of cuDNN before its first call. cuDNN opens its parts by name and gets what is loaded
// under that name, so folders that the loader does not know work too.
std::string why_not_parts(const LibrarySearch& search) {
  for (const char* name : kCudnnParts) {
    if (std::string reason = why_not_part(name, search); !reason.empty()) return reason;
  }
  return why_not_part(format("libcublasLt.so.", kCudaMajor), search);
}

std::string why_not_version(const Cudnn& table) {
  const std::size_t cuda_major = table.get_cudart_version() / 1000;
  const std::string found = format("cuDNN ", table.version / 10000, '.', table.version / 100 % 100);
  if (table.version / 10000 != 9) return found + " found, 9 needed";
  if (cuda_major == kCudaMajor) return "";
  return format(found, " is for CUDA ", cuda_major, ", this program for CUDA ", kCudaMajor);
}

}  // namespace

LibrarySearch default_search() {
  LibrarySearch search;
  append_folders(search.first, "STOKER_CUDA_LIBRARIES");
  for (const char* variable : {"CUDA_HOME", "CUDA_PATH"}) {
    const char* root = std::getenv(variable);
    if (root != nullptr && *root != '\0') append_toolkit(search.last, root);
  }
  append_toolkit(search.last, "/usr/local/cuda");
  return search;
}

Nvrtc load_nvrtc(const LibrarySearch& search) {
  Nvrtc table;
  const std::string name = format("libnvrtc.so.", kCudaMajor);
  const Library library = open(name, search);
  if (library.handle == nullptr && !library.error.empty()) {
    table.problem = "NVRTC does not load: " + library.error;
  } else if (library.handle == nullptr) {
    table.problem = format("NVRTC not found: ", name, " (install CUDA ", kCudaMajor, kAdvice, ")");
  } else {
    resolve_all(library.handle, table);
    if (!table.problem.empty()) table.problem = "NVRTC: " + table.problem;
  }
  if (!table.problem.empty()) return table;
  table.version(&table.major, &table.minor);
  table.problem = why_not_builtins(table, beside(library, search));
  return table;
}

Cudnn load_cudnn(const LibrarySearch& search) {
  Cudnn table;
  const Library library = open("libcudnn.so.9", search);
  table.handle = library.handle;
  if (library.handle == nullptr) {
    table.problem =
        library.error.empty() ? why_not_cudnn_9(search) : "cuDNN does not load: " + library.error;
    return table;
  }
  table.problem = why_not_parts(beside(library, search));
  if (!table.problem.empty()) return table;
  resolve_all(library.handle, table);
  if (!table.problem.empty()) {
    table.problem = "cuDNN: " + table.problem;
    return table;
  }
  table.version = table.get_version();
  table.problem = why_not_version(table);
  return table;
}

const Nvrtc& nvrtc() {
  static const Nvrtc& table = *new Nvrtc(load_nvrtc(default_search()));
  return table;
}

const Cudnn& cudnn() {
  nvrtc();  // cuDNN uses NVRTC too, and finds the one that is loaded already
  static const Cudnn& table = *new Cudnn(load_cudnn(default_search()));
  return table;
}

}  // namespace stoker::device

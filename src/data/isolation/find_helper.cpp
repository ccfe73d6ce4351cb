// Where the helper's program is.
#include <dlfcn.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <vector>

#include "core/format.h"
#include "data/isolation/helper_process.h"
#include "stoker/error.h"

namespace stoker::isolation {
namespace {

namespace fs = std::filesystem;

bool is_program(const fs::path& path) {
  std::error_code unknown;
  return fs::is_regular_file(path, unknown) && access(path.c_str(), X_OK) == 0;
}

// Returns the folder of the library that has this function, or nothing.
fs::path folder_of(void* function) {
  Dl_info info{};
  if (function == nullptr || dladdr(function, &info) == 0 || info.dli_fname == nullptr) return {};
  const fs::path file = info.dli_fname;
  return file.is_absolute() ? file.parent_path() : fs::path();
}

}  // namespace

std::string find_helper(const std::string& named) {
  const char* variable = secure_getenv("STOKER_DECODE");
  const bool is_named = !named.empty() || (variable != nullptr && *variable != '\0');
  std::vector<fs::path> places;
  if (is_named) {
    places.emplace_back(named.empty() ? variable : named);
  } else {
    constexpr const char* kName = "stoker-decode";
    std::error_code unknown;
    std::vector<fs::path> folders;
    // oneDNN's library is in the private folder of an installation, which a program takes along.
    folders.push_back(folder_of(dlsym(RTLD_DEFAULT, "dnnl_version")));
    const fs::path library = folder_of(reinterpret_cast<void*>(&find_helper));
    if (!library.empty()) folders.push_back(library / "stoker");
    folders.push_back(fs::read_symlink("/proc/self/exe", unknown).parent_path());
    for (const fs::path& folder : folders) {
      if (!folder.empty()) places.push_back(folder / kName);
    }
  }
  std::string looked;
  for (const fs::path& place : places) {
    if (is_program(place)) return place.string();
    looked += (looked.empty() ? "" : ", ") + place.string();
  }
  throw IoError(format("the program stoker-decode, which decodes isolated images, is not at ",
                       looked, "; name it by IsolationOptions::helper or STOKER_DECODE"));
}

}  // namespace stoker::isolation

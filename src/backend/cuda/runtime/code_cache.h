// Compiled kernels and cuDNN's plans on disk: one file for each, named by a hash of what it was
// made from. Any number of processes may use the same folder. A cache that cannot be read or
// written is no error, since missing entries are made again.
//
// Code that is found in the cache runs in this process. Folders are therefore made for their user
// alone, and a file counts only if it is a regular file of this user's that nobody else may write.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "backend/cuda/codegen/device_headers.h"

namespace stoker::backend::cuda {

// Returns the key of the code that `compiler` makes of a source that includes some of the headers.
std::string code_key(const std::string& compiler, const std::string& source,
                     std::span<const DeviceHeader> headers);

class CodeCache {
 public:
  static constexpr std::uint64_t kDefaultLimit = 256ULL << 20;  // bytes

  // With an empty `folder` the cache keeps nothing.
  explicit CodeCache(std::string folder, std::uint64_t limit = kDefaultLimit);
  // Returns the cache in STOKER_CACHE_DIR (none if that is empty), otherwise in stoker/ in
  // XDG_CACHE_HOME or in ~/.cache.
  static CodeCache standard();

  // Returns the code stored for `key`, after it has compared the whole key and the checksum.
  std::optional<std::vector<std::byte>> find(const std::string& key) const;
  // Stores the code, then drops the files that were not used for longest until the folder is within
  // its limit.
  void store(const std::string& key, const std::vector<std::byte>& code) const;

 private:
  std::string path_of(const std::string& key) const;
  void trim() const;

  std::string folder_;
  std::uint64_t limit_;
};

}  // namespace stoker::backend::cuda

// Compiled kernels and cuDNN's plans on disk: one file each, named by a hash of what it was made
// from. Any number of processes may use the same folder. A cache that cannot be read or written is
// no error: what is missing is made again.
//
// What is found here runs. So folders are made for their user alone, and a file counts only if it
// is a regular one of this user's that nobody else may write.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "backend/cuda/codegen/device_headers.h"

namespace stoker::backend::cuda {

// The key of what `compiler` makes of a source that includes some of the headers.
std::string code_key(const std::string& compiler, const std::string& source,
                     std::span<const DeviceHeader> headers);

class CodeCache {
 public:
  static constexpr std::uint64_t kDefaultLimit = 256ULL << 20;  // bytes

  // An empty folder keeps nothing.
  explicit CodeCache(std::string folder, std::uint64_t limit = kDefaultLimit);
  // STOKER_CACHE_DIR (empty: none), else stoker/ in XDG_CACHE_HOME or in ~/.cache.
  static CodeCache standard();

  // What was stored for `key`, checked against the whole key and a checksum.
  std::optional<std::vector<std::byte>> find(const std::string& key) const;
  // Then drops the files that were not used for longest until the folder is within its limit.
  void store(const std::string& key, const std::vector<std::byte>& code) const;

 private:
  std::string path_of(const std::string& key) const;
  void trim() const;

  std::string folder_;
  std::uint64_t limit_;
};

}  // namespace stoker::backend::cuda

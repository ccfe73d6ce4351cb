// The limits of all readers are checked here.
#pragma once

#include <cstdint>
#include <string>

#include "stoker/read_limits.h"

namespace stoker::data {

// The memory that one file may take.
class MemoryLimit {
 public:
  // Throws ValueError for limits that are not above 0.
  MemoryLimit(std::string name, const ReadLimits& limits, std::uint64_t file_bytes);

  // Throws IoError, which names file and option, if `bytes` is more than the file may take.
  void check(std::uint64_t bytes) const {
    if (bytes > most_) refuse(bytes);
  }

 private:
  [[noreturn]] void refuse(std::uint64_t bytes) const;

  std::string name_;
  ReadLimits limits_;
  std::uint64_t file_bytes_;
  std::uint64_t most_;
};

void check_limits(const ImageLimits& limits);
// Returns "2^33", or all digits of a number that is no such power.
std::string bytes_text(std::uint64_t bytes);

}  // namespace stoker::data

// What the fuzzed readers are given: bytes as a file, and the rule that nothing but an error of
// ours may come out.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <span>
#include <string>

#include "stoker/error.h"

namespace stoker::fuzz {

// A file in memory, written anew for each input.
class InputPath {
 public:
  InputPath() : descriptor_(memfd_create("input", MFD_CLOEXEC)) {
    if (descriptor_ < 0) std::abort();
    path_ = "/proc/self/fd/" + std::to_string(descriptor_);
  }

  const std::string& holding(std::span<const std::uint8_t> bytes) {
    const auto size = static_cast<off_t>(bytes.size());
    if (ftruncate(descriptor_, 0) != 0 || ftruncate(descriptor_, size) != 0 ||
        pwrite(descriptor_, bytes.data(), bytes.size(), 0) != size) {
      std::abort();
    }
    return path_;
  }
  const std::string& path() const { return path_; }

 private:
  int descriptor_;
  std::string path_;
};

inline InputPath& input() {
  static InputPath path;
  return path;
}

// Whatever else f throws ends the program, which the fuzzer reports.
template <class F>
void only_own_errors(F&& f) {
  try {
    f();
  } catch (const Error&) {
  }
}

// The first byte of an input chooses among options.
struct Choice {
  std::uint8_t options = 0;
  std::span<const std::uint8_t> bytes;

  Choice(const std::uint8_t* data, std::size_t size) : bytes(data, size) {
    if (size == 0) return;
    options = data[0];
    bytes = bytes.subspan(1);
  }
  bool bit(int i) const { return ((options >> i) & 1) != 0; }
};

}  // namespace stoker::fuzz

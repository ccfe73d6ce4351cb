// The reader's side of a helper process.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "core/descriptor.h"
#include "data/isolation/protocol.h"

namespace stoker::isolation {

// Memory that a helper maps too. The helper can make it larger, but not smaller, which would end
// the reader where it looks at what is gone.
class SharedMemory {
 public:
  SharedMemory();
  ~SharedMemory();
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;

  // Makes it at least this large; what was in it stays.
  void grow(std::uint64_t bytes);
  std::span<std::byte> bytes() const { return bytes_; }
  int descriptor() const { return descriptor_.number(); }

 private:
  Descriptor descriptor_;
  std::span<std::byte> bytes_;
};

// One thread may use it at a time. After any exception it is of no further use. Every function
// throws IoError, without the name of a file.
class HelperProcess {
 public:
  HelperProcess(const std::string& program, std::uint64_t max_pixels,
                std::chrono::milliseconds patience);
  // Kills the helper and waits until it is gone.
  ~HelperProcess();
  HelperProcess(const HelperProcess&) = delete;
  HelperProcess& operator=(const HelperProcess&) = delete;

  SharedMemory& memory() { return memory_; }
  // Gives the request its number.
  Reply ask(Request& request);

 private:
  void start(const std::string& program, std::uint64_t max_pixels);
  Reply hear();
  std::string end();

  std::chrono::milliseconds patience_;
  std::uint64_t requests_ = 0;
  SharedMemory memory_;
  Descriptor socket_;
  Descriptor process_;  // a pidfd, whose process can be no other
};

// Returns the program's path. Throws IoError, which says where it was looked for.
std::string find_helper(const std::string& named);

}  // namespace stoker::isolation

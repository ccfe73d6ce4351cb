// What a process does to itself before it reads what a stranger wrote. None of it can be undone.
// Each function throws IoError where the kernel cannot do it (docs/adr/0026-restricted-process.md).
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>

namespace stoker::confinement {

// Sets a limit of setrlimit()'s, which may be lowered later, but not raised.
void limit(int resource, std::uint64_t value);
// Limits the memory to what the process has by now, and this many bytes.
void limit_memory(std::uint64_t bytes);

enum class Access : std::uint8_t {
  read_file,
  read_folder,  // and all below it
  use_folder,   // read, write, make and remove files
};
struct Place {
  std::filesystem::path path;
  Access access = Access::read_file;
};
// Refuses to open every file but these (Landlock, Linux 5.13). What is open stays so.
void limit_files(std::span<const Place> places);

// Refuses system calls for sockets, programs, other processes, and what would undo the rules.
// Threads may be started. On x86-64 and AArch64.
void limit_calls();

}  // namespace stoker::confinement

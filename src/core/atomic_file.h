// An AtomicFile appears whole or not at all, whenever the process or the machine stops.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>

namespace stoker {

// A file under construction. It is written under a temporary name in the target's directory and
// takes the target's name in `commit`. Until then the target is unchanged. An object that is
// destroyed without a commit removes the temporary file. Every failure throws IoError with the path
// and the system's reason; what a signal interrupts, or the system does in part, goes on. Writes
// are not buffered.
//
// The new file takes the mode of the file that it replaces, and its owner where the system allows
// that. Symbolic links are followed: the file that they lead to is replaced, and the links stay. A
// pipe, a character device, or one of this process's descriptors (/dev/null, /dev/stdout) is never
// replaced: bytes go into it as they are written, without a promise about the whole. A pipe that
// nobody has open for reading, a socket and a block device are refused.
class AtomicFile {
 public:
  explicit AtomicFile(std::filesystem::path path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(std::span<const std::byte> bytes);
  void write(std::string_view text);

  // Syncs the file, renames it and syncs the directory, so that the contents survive a power
  // failure once this returns. Where only the last of these fails, the new file is there, and a
  // power failure may still bring the old one back. Callers call it once, as the last call.
  void commit();

 private:
  void open_beside(bool is_private);
  void open_descriptor();
  void open_directly();
  [[noreturn]] void fail(const char* action) const;

  std::filesystem::path path_;       // The path that was asked for.
  std::filesystem::path target_;     // The path to which its links lead.
  std::filesystem::path temporary_;  // Empty where the target itself is written.
  int descriptor_ = -1;
};

// Writes a whole file in one call.
void write_file(const std::filesystem::path& path, std::span<const std::byte> bytes);
void write_file(const std::filesystem::path& path, std::string_view text);

}  // namespace stoker

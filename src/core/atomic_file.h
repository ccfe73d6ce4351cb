// Files that appear whole or not at all, whenever the process or the machine stops.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>

namespace stoker {

// A file under construction: it is written under a temporary name in the target's directory and
// takes the target's name in `commit`. Until then the target is as it was; destroyed without a
// commit, the temporary file is removed. Every failure throws IoError with the path and the
// system's reason. Writes are not buffered.
//
// A file that was there before gives its mode, and its owner where the system allows that, to the
// new one. Symbolic links are followed: what they lead to is replaced, and they stay. A pipe, a
// character device, or one of this process's descriptors (/dev/null, /dev/stdout) is never
// replaced: bytes go into it as they are written, and nothing is promised about the whole. A pipe
// that nobody has open for reading, a socket and a block device are refused.
class AtomicFile {
 public:
  explicit AtomicFile(std::filesystem::path path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(std::span<const std::byte> bytes);
  void write(std::string_view text);

  // Syncs the file, renames it and syncs the directory: what was written survives a power failure
  // once this returns. Callers call it once, last.
  void commit();

 private:
  void open_beside(bool is_private);
  void open_descriptor();
  void open_directly();
  [[noreturn]] void fail(const char* action) const;

  std::filesystem::path path_;       // as it was asked for
  std::filesystem::path target_;     // where its links lead
  std::filesystem::path temporary_;  // empty where the target itself is written
  int descriptor_ = -1;
};

// All of a file in one call.
void write_file(const std::filesystem::path& path, std::span<const std::byte> bytes);
void write_file(const std::filesystem::path& path, std::string_view text);

}  // namespace stoker

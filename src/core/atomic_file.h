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
// system's reason. Writes are not buffered. A symbolic link at `path` is replaced, not followed.
class AtomicFile {
 public:
  explicit AtomicFile(std::filesystem::path path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(std::span<const std::byte> bytes);
  void write(std::string_view text);

  // Syncs the file, renames it and syncs the directory: what was written survives a power failure
  // once this returns. To be called once, last.
  void commit();

 private:
  [[noreturn]] void fail(const char* action) const;

  std::filesystem::path path_;
  std::filesystem::path temporary_;
  int descriptor_ = -1;
};

// All of a file in one call.
void write_file(const std::filesystem::path& path, std::span<const std::byte> bytes);
void write_file(const std::filesystem::path& path, std::string_view text);

}  // namespace stoker

// All files are opened for reading through this class.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace stoker {

// A regular file that is read. Anything else is refused without waiting: a pipe might wait
// for its other end for ever, and a device may never end. Every failure throws IoError whose
// message starts with the path. Reads are not buffered. Only one thread may use an object at a
// time.
class InputFile {
 public:
  explicit InputFile(const std::filesystem::path& path);
  // The result is empty where no file has that name.
  static std::optional<InputFile> open_existing(const std::filesystem::path& path);

  InputFile(InputFile&& other) noexcept;
  InputFile& operator=(InputFile&&) = delete;
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;
  ~InputFile();

  // The size in bytes that the file had when it was opened.
  std::uint64_t size() const { return size_; }
  // Fills `bytes` and returns how many were read, which are fewer only at the end of the file.
  std::size_t read(std::span<std::byte> bytes);
  // Fills `bytes` from this offset on, and returns how many were read, which are fewer only at the
  // end of the file. Several threads may call it at a time.
  std::size_t read_at(std::uint64_t offset, std::span<std::byte> bytes) const;
  void rewind() { seek(0); }
  // Goes to this offset from the beginning, which lies within the file.
  void seek(std::uint64_t offset);
  const std::string& path() const { return path_; }
  // Maps the whole file for reading. The result outlives this object. Bytes that are no longer in
  // the file when they are looked at, or that the disk fails to give, end the program.
  std::shared_ptr<const std::byte> map() const;

 private:
  InputFile(std::string path, int descriptor, std::uint64_t size)
      : path_(std::move(path)), descriptor_(descriptor), size_(size) {}
  [[noreturn]] void fail(const std::string& what) const;

  std::string path_;
  int descriptor_ = -1;
  std::uint64_t size_ = 0;
};

// Reads a whole file into `memory` and returns the part that holds it. `memory` grows as needed and
// never shrinks, so it can be used again for the next file. A file of more than `most` bytes is
// refused.
std::span<const std::byte> read_whole_file(const std::filesystem::path& path, std::uint64_t most,
                                           std::vector<std::byte>& memory);

}  // namespace stoker

// The bytes of a file, unpacked on the way when it is gzipped.
#pragma once

#include <zlib.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "core/input_file.h"

namespace stoker::data {

// Reads a file from beginning to end. Every failure throws an IoError whose message begins with the
// path.
class ByteSource {
 public:
  explicit ByteSource(const std::filesystem::path& path);
  ~ByteSource();
  ByteSource(const ByteSource&) = delete;
  ByteSource& operator=(const ByteSource&) = delete;

  // Fills `bytes` and returns their number, or fewer at the end.
  std::size_t read(std::span<std::byte> bytes);

  // Returns the most bytes that the file can give, whatever its content claims. The number is exact
  // for a plain file.
  std::uint64_t max_bytes() const;
  bool is_gzip() const { return is_gzip_; }
  std::uint64_t file_bytes() const { return file_.size(); }

 private:
  std::size_t read_gzip(std::span<std::byte> bytes);
  bool refill();
  void start_member();
  [[noreturn]] void fail(const std::string& what) const;

  std::string path_;
  InputFile file_;
  bool is_gzip_ = false;
  bool in_member_ = false;  // between a gzip member's header and its trailer
  z_stream stream_{};
  std::vector<std::byte> buffer_;  // compressed bytes; stream_ points to those that are left
};

}  // namespace stoker::data

// Archives as .keras files are: read from strangers within limits, by libzip, and written front to
// back with stored members.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace stoker::io {

struct ZipMember {
  std::string name;
  std::uint64_t bytes = 0;   // unpacked
  std::uint64_t packed = 0;  // in the file
  std::uint64_t index = 0;
  bool is_stored = false;
  std::uint32_t checksum = 0;
};

// The bytes of a member, in memory of their own or mapped from the file.
struct ZipContents {
  std::shared_ptr<const std::byte> memory;
  std::size_t size = 0;

  std::span<const std::byte> bytes() const { return {memory.get(), size}; }
  std::string_view text() const { return {reinterpret_cast<const char*>(memory.get()), size}; }
};

// Every failure throws IoError whose message begins with the path. Nothing is ever unpacked to the
// disk.
class ZipReader {
 public:
  // Throws for an archive with more than `most_members` members, with two of one name, or with one
  // that is encrypted or packed by another method than deflate.
  ZipReader(const std::filesystem::path& path, std::size_t most_members);
  ~ZipReader();
  ZipReader(const ZipReader&) = delete;
  ZipReader& operator=(const ZipReader&) = delete;

  const std::vector<ZipMember>& members() const;
  // Null where there is none.
  const ZipMember* find(std::string_view name) const;
  // Reads a whole member and checks its checksum. Throws, before it takes memory, where it has more
  // than `most` bytes, or more than deflate can have made of what is in the file.
  ZipContents read(const ZipMember& member, std::uint64_t most) const;
  // Does the same without a copy where the member is stored, and its place is simple to find. The
  // file must not become shorter while the contents are used.
  ZipContents map(const ZipMember& member, std::uint64_t most) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

class ZipWriter {
 public:
  using Sink = std::function<void(std::span<const std::byte>)>;

  explicit ZipWriter(Sink sink) : sink_(std::move(sink)) {}

  void member(const std::string& name, std::string_view contents);
  // Adds a member of that size, which `write` hands to the sink piece by piece.
  void member(const std::string& name, std::uint64_t bytes,
              const std::function<void(const Sink&)>& write);
  // Writes the directory at the end. It is the last call.
  void close();

 private:
  struct Entry {
    std::string name;
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
    std::uint32_t checksum = 0;
    bool has_descriptor = false;
  };
  void put(std::span<const std::byte> bytes);
  void begin(const Entry& entry);

  Sink sink_;
  std::uint64_t written_ = 0;
  std::vector<Entry> entries_;
};

}  // namespace stoker::io

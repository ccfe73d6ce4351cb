// Goes through the members of tar archives: ustar, with the extensions of GNU and of POSIX (pax).
// Source: POSIX.1-2017, "pax"; GNU tar's manual, "Basic Tar Format".
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace stoker::data {

// The bytes of an archive, from the front.
class TarInput {
 public:
  virtual ~TarInput() = default;
  // Fills `to`, or returns fewer bytes at the end.
  virtual std::size_t read(std::span<std::byte> to) = 0;
  // Returns whether so many bytes were there to be passed over.
  virtual bool skip(std::uint64_t bytes) = 0;
};

// A regular file in an archive.
struct TarMember {
  std::string name;
  std::uint64_t offset = 0;  // of its data
  std::uint64_t bytes = 0;
};

// Folders are passed over. Throws IoError, which names archive, offset and member, for what is no
// archive or ends too early, for links, devices, pipes, sparse files and parts of files, and for
// paths that lead out of where an archive would be unpacked.
class TarReader {
 public:
  TarReader(std::string path, TarInput& input) : path_(std::move(path)), input_(input) {}

  // Returns the next member; nothing at the end. What is left of the one before is passed over.
  std::optional<TarMember> next();
  // Reads the data of the member that next() returned.
  void read(std::span<std::byte> to);
  [[noreturn]] void fail(std::uint64_t offset, const std::string& what) const;

 private:
  static constexpr std::size_t kBlock = 512;
  struct Extended {
    std::optional<std::string> name;
    std::optional<std::uint64_t> bytes;
  };

  void skip_rest();
  std::string text(std::uint64_t bytes);
  void read_extended(std::uint64_t bytes, Extended& extended);
  void check_name(const std::string& name) const;

  const std::string path_;
  TarInput& input_;
  std::uint64_t offset_ = 0;
  std::uint64_t header_ = 0;   // the offset of the header at hand
  std::uint64_t left_ = 0;     // of the member's data
  std::uint64_t padding_ = 0;  // behind it
};

}  // namespace stoker::data

// Writes HDF5 files front to back. libhdf5 writes only the description, into memory, and decides
// where the data of each dataset shall lie; the data itself is asked for piece by piece while the
// bytes go out. So no copy of the file is ever in memory, and it may go into an AtomicFile, a pipe
// or a member of an archive.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "stoker/dtype.h"
#include "stoker/shape.h"

namespace stoker::io {

class Hdf5Writer {
 public:
  // Fills `bytes` with the dataset's own from `offset` on.
  using Fetch = std::function<void(std::uint64_t offset, std::span<std::byte> bytes)>;
  using Sink = std::function<void(std::span<const std::byte>)>;

  // `name` is the file's, for messages, and `objects` about how many groups and datasets there will
  // be. Every failure throws IoError.
  explicit Hdf5Writer(std::string name, std::size_t objects = 0);
  ~Hdf5Writer();
  Hdf5Writer(const Hdf5Writer&) = delete;
  Hdf5Writer& operator=(const Hdf5Writer&) = delete;

  // Makes a group, with the groups above it that are missing.
  void group(const std::string& path);
  void text(const std::string& group, const std::string& attribute, std::string_view value);
  // Declares a dataset of float32 or int32, in a group that exists.
  void dataset(const std::string& path, const Shape& shape, DType dtype, Fetch fetch);

  // Ends the description and returns the size of the file.
  std::uint64_t close();
  // Writes the whole file, after close().
  void write(const Sink& sink) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace stoker::io

// Reads HDF5 files of strangers, as far as Keras's files need it, and is the only part of Stoker
// that sees libhdf5. Nothing outside the file is ever opened: links other than hard ones, external
// and virtual storage, and filters other than deflate, shuffle and fletcher32 are refused, and
// plugins are off.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "stoker/dtype.h"
#include "stoker/shape.h"

namespace stoker::io {

// What the elements of a dataset are.
enum class Hdf5Type : std::uint8_t {
  floating,
  integer,
  // Two bytes that mean nothing to HDF5. Keras stores bfloat16 so, and says so in an attribute.
  opaque_16bit,
};

// A dataset as its header describes it. Its data lies in the file, unless there are filters.
struct Hdf5Dataset {
  std::string path;
  Shape shape;
  Hdf5Type type = Hdf5Type::floating;
  std::size_t element_bytes = 0;  // in the file
  bool is_filtered = false;
  // Where the data lies as it is in memory: C order, little-endian, without gaps.
  std::optional<std::uint64_t> offset{};
  std::string dtype_attribute{};  // Keras's note beside a type that HDF5 does not have.
};

// One open file. libhdf5 does one thing at a time, so all objects of this class wait for each
// other; beyond that several threads may use different objects. Every failure throws IoError whose
// message begins with the name of the file. Paths are "layers/dense/vars/0".
class Hdf5File {
 public:
  explicit Hdf5File(const std::filesystem::path& path);
  // Reads a file that lies in memory, which stays unchanged for as long as this object lives.
  Hdf5File(std::string name, std::span<const std::byte> image);
  ~Hdf5File();
  Hdf5File(Hdf5File&&) noexcept;
  Hdf5File& operator=(Hdf5File&&) = delete;

  const std::string& name() const;
  std::uint64_t bytes() const;

  bool has_group(const std::string& path) const;
  // The names in a group, in the order of bytes; empty where there is no such group.
  std::vector<std::string> children(const std::string& group) const;
  // Nullopt where nothing has that path. Throws for something else than a dataset that this class
  // reads, before any of it is read.
  std::optional<Hdf5Dataset> dataset(const std::string& path) const;
  // Attributes of a group, "" for the file itself: one text, or several. Nullopt where there is
  // none.
  std::optional<std::string> text(const std::string& group, const std::string& attribute) const;
  std::optional<std::vector<std::string>> texts(const std::string& group,
                                                const std::string& attribute) const;

  // Reads all elements as `dtype`, float32 or int32, in C order. `to` has that size.
  void read(const Hdf5Dataset& dataset, DType dtype, std::span<std::byte> to) const;
  // Reads the whole file once, without looking at it, so that a disk that fails does so now. Data
  // that is not filtered can then be read.
  void require_readable() const;

  struct Impl;  // This type is opaque.

 private:
  friend class Hdf5Rows;
  std::unique_ptr<Impl> impl_;
};

}  // namespace stoker::io

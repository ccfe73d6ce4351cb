// Rows of a dataset in an HDF5 file, by number and by several threads at a time. libhdf5 says where
// the data lies, and is not asked again: rows are read from the file itself and unpacked on the
// thread that wants them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/input_file.h"
#include "io/hdf5.h"
#include "io/hdf5_chunks.h"
#include "io/hdf5_numbers.h"
#include "stoker/dtype.h"
#include "stoker/shape.h"

namespace stoker::io {

class Hdf5Rows {
 public:
  // Opens the dataset `path` of a file, to be read as `dtype`; unpacked chunks are kept in `cache`.
  // Throws IoError for a file or a dataset that Hdf5File refuses, DTypeError if elements can't be
  // read as `dtype`, ShapeError for a scalar.
  Hdf5Rows(const std::filesystem::path& file, const std::string& path, DType dtype,
           std::shared_ptr<Hdf5ChunkCache> cache);

  std::int64_t rows() const { return shape_[0]; }
  Shape row_shape() const;
  // Reads a row. `to` has its size. Throws IoError, with the offset in the file, for data that is
  // damaged or missing, and DataError for a number that does not fit.
  void read(std::int64_t row, std::span<std::byte> to) const;

 private:
  void open_chunks(hid_t id, hid_t creation);
  void find_base(hid_t id, const std::vector<std::uint64_t>& first);
  std::uint64_t chunk_number(std::span<const std::uint64_t> at) const;
  // These write a row's elements in C order, as they are in the file.
  void read_raw(std::int64_t row, std::span<std::byte> to) const;
  void read_chunked(std::int64_t row, std::span<std::byte> to) const;
  void fetch(std::uint64_t offset, std::span<std::byte> to) const;
  std::shared_ptr<const Hdf5Chunk> unpacked(std::uint64_t number) const;
  [[noreturn]] void fail(const std::string& what) const;

  std::string name_;  // file and dataset, for messages
  InputFile file_;
  Shape shape_;
  Hdf5Numbers numbers_;
  std::size_t row_elements_ = 0;

  // Where a chunk lies in the file.
  struct Place {
    std::uint64_t offset = 0;
    std::uint32_t size = 0;
    std::uint32_t filter_mask = 0;
  };
  std::uint64_t offset_ = 0;        // of contiguous data
  std::vector<std::byte> compact_;  // data that lies in the header
  bool is_compact_ = false;
  std::vector<std::uint64_t> extents_;  // of a chunk; none if there are no chunks
  std::vector<std::uint64_t> grid_;     // chunks along each axis
  std::uint64_t chunk_bytes_ = 0;
  bool covers_rows_ = true;  // whether a row lies in one chunk, and fills its slice of it
  std::vector<Hdf5Filter> filters_;
  std::vector<Place> places_;
  std::shared_ptr<Hdf5ChunkCache> cache_;
};

}  // namespace stoker::io

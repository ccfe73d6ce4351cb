// The numbers in a dataset of an HDF5 file, and what they become.
#pragma once

#include <hdf5.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "io/hdf5.h"
#include "stoker/dtype.h"

namespace stoker::io {

// Converts elements as they are in a file to a slot's type. float64 becomes float32 and 16-bit
// floats by rounding; integers become int32 and uint8 if they fit.
class Hdf5Numbers {
 public:
  Hdf5Numbers() = default;
  // `type` is the dataset's. The caller holds an Hdf5Lock. Throws DTypeError, which begins with
  // `name`, for floats as integers, and for bfloat16 and float16 as each other.
  Hdf5Numbers(const std::string& name, const Hdf5Dataset& dataset, hid_t type, DType to);

  std::size_t file_bytes() const { return bytes_; }
  std::size_t memory_bytes() const { return size_of(to_); }
  // Whether bytes in the file are those in memory.
  bool is_plain() const { return is_plain_; }
  // Throws DataError, which begins with `name` and the row, for a number that does not fit.
  void convert(const std::string& name, std::int64_t row, std::span<const std::byte> from,
               std::span<std::byte> to) const;

 private:
  Hdf5Type type_ = Hdf5Type::floating;
  std::size_t bytes_ = 4;  // of an element in the file
  bool is_signed_ = false;
  bool is_big_endian_ = false;
  bool is_plain_ = true;
  DType to_ = DType::float32;
};

}  // namespace stoker::io

// NumPy's files: .npy, one array, and .npz, a zip archive of them (NEP 1; the zip format as
// PKWARE's APPNOTE 6.3 has it).
#pragma once

#include <map>
#include <string>

#include "stoker/read_limits.h"
#include "stoker/tensor.h"

namespace stoker {

struct NpyOptions {
  // If true, float64 becomes float32, and int64 becomes int32 if every number fits. Otherwise such
  // a file is a DTypeError that says so.
  bool convert = false;
  // The limits of the file, and of what the entries of a .npz unpack to together.
  ReadLimits limits{};
};

// Reads arrays of float32, float16, int32, uint8 and bool (as uint8), little-endian, in C or
// Fortran order, of up to eight axes, written by Python 2 or 3. The file is not trusted: it must
// not have more bytes than the limits allow, and exactly as many as its header says. Throws IoError
// for a file that is missing, damaged, none of NumPy's or of a kind that is not supported,
// DTypeError for other element types.
Tensor read_npy(const std::string& path, NpyOptions options = {});
// Reads all entries, by their names without the ".npy" that they have in the archive. Entries may
// be stored or deflated; zip64 and encryption are refused. Entries must not overlap.
std::map<std::string, Tensor> read_npz(const std::string& path, NpyOptions options = {});
// Writes the file whole or not at all. bfloat16, which NumPy does not have, is a DTypeError.
void write_npy(const std::string& path, const Tensor& tensor);
// Does the same for an archive of tensors by their names, stored as they are, as numpy.savez writes
// it. Throws ValueError for more than 65534 tensors, and for names longer than 60,000 bytes or with
// a zero byte.
void write_npz(const std::string& path, const std::map<std::string, Tensor>& tensors);

}  // namespace stoker

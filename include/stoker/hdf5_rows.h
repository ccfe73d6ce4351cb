// Rows of datasets in HDF5 files, as h5py writes them.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "stoker/dataset.h"

namespace stoker {

struct Hdf5RowsOptions {
  // Unpacked chunks that are kept, in bytes, for all files together. A chunk that is larger is kept
  // by itself.
  std::uint64_t cache_bytes = std::uint64_t{1} << 26;
  // Threads of its own, and rows that can't be read: see MapOptions.
  std::optional<int> workers{};
  OnError on_error = OnError::stop;
  std::int64_t max_failures = kMaxFailures;
};

// Returns the rows of datasets side by side, one dataset for each component; several files follow
// each other. Rows can be asked for by number, in any order: only where the data lies is asked of
// libhdf5, which does one thing at a time, when the files are opened. The feed's workers read rows
// at the same time, and unpack chunks on the way. Random rows of compressed data take a whole chunk
// each: write chunks of few rows to shuffle them.
//
//   auto rows = hdf5_rows<float, std::int32_t>({"train.h5"}, {"images", "labels"});
//   model.fit(rows.shuffle(rows.cardinality(), 7).batch(64), {.epochs = 10, .workers = AUTOTUNE});
//
// Contiguous, compact and chunked datasets are read, with shuffle, deflate and fletcher32. float64
// becomes float, and integers become int32 or uint8 if they fit, or floats. Data has to lie in the
// file: links other than hard ones, virtual and external storage and other filters are refused. The
// files must not be written meanwhile.
//
// Throws IoError for files and datasets that are missing, damaged or refused, ShapeError for
// datasets of different numbers of rows and for files of different shapes, DTypeError for floats to
// be read as integers, ValueError without a file and for 2^31 rows or more. A chunk that is
// damaged, or was never written, and a number that does not fit are errors of the row.
template <class... T>
Dataset<T...> hdf5_rows(const std::vector<std::string>& files,
                        const std::array<std::string, sizeof...(T)>& datasets,
                        const Hdf5RowsOptions& options = {});

}  // namespace stoker

#include "stoker/detail/hdf5_rows.h"  // what the template does

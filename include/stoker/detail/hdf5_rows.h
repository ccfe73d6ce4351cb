// What the template of stoker/hdf5_rows.h does. Programs include that header.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "stoker/hdf5_rows.h"

namespace stoker {
namespace detail {

// Datasets of several files, which have the same rows.
class Hdf5Columns {
 public:
  Hdf5Columns(const std::vector<std::string>& files, std::span<const std::string> datasets,
              std::span<const DType> dtypes, std::uint64_t cache_bytes);
  ~Hdf5Columns();
  Hdf5Columns(const Hdf5Columns&) = delete;
  Hdf5Columns& operator=(const Hdf5Columns&) = delete;

  std::int32_t rows() const;
  const Shape& row_shape(std::size_t column) const;
  // Several threads may call it at a time.
  void read(std::int32_t row, std::size_t column, std::span<std::byte> to) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace detail

template <class... T>
Dataset<T...> hdf5_rows(const std::vector<std::string>& files,
                        const std::array<std::string, sizeof...(T)>& datasets,
                        const Hdf5RowsOptions& options) {
  const std::array<DType, sizeof...(T)> dtypes{dtype_of<T>...};
  const auto columns = std::make_shared<const detail::Hdf5Columns>(
      files, std::span<const std::string>(datasets), std::span<const DType>(dtypes),
      options.cache_bytes);
  std::array<Shape, sizeof...(T)> shapes;
  for (std::size_t i = 0; i < shapes.size(); ++i) shapes[i] = columns->row_shape(i);
  return range(columns->rows())
      .template map<T...>(shapes,
                          [columns](std::span<const std::int32_t> row, std::span<T>... to) {
                            std::size_t column = 0;
                            (columns->read(row[0], column++, std::as_writable_bytes(to)), ...);
                          },
                          {.workers = options.workers,
                           .on_error = options.on_error,
                           .max_failures = options.max_failures,
                           .name = "hdf5_rows"});
}

}  // namespace stoker

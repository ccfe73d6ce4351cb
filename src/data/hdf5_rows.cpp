#include "stoker/hdf5_rows.h"

#include <algorithm>
#include <limits>

#include "core/foreign.h"
#include "core/format.h"
#include "io/hdf5_rows.h"
#include "stoker/error.h"

namespace stoker::detail {

struct Hdf5Columns::Impl {
  struct File {
    std::int64_t end = 0;  // the number of the first row behind it
    std::vector<std::unique_ptr<io::Hdf5Rows>> columns{};
  };
  std::vector<File> files;
  std::vector<Shape> shapes;
};

Hdf5Columns::Hdf5Columns(const std::vector<std::string>& files,
                         std::span<const std::string> datasets, std::span<const DType> dtypes,
                         std::uint64_t cache_bytes)
    : impl_(std::make_unique<Impl>()) {
  if (files.empty()) throw ValueError("hdf5_rows: expected at least one file, received none");
  const auto cache = std::make_shared<io::Hdf5ChunkCache>(cache_bytes);
  std::int64_t end = 0;
  for (const std::string& path : files) {
    with_own_errors(path, [&] {
      Impl::File file;
      for (std::size_t i = 0; i < datasets.size(); ++i) {
        file.columns.push_back(std::make_unique<io::Hdf5Rows>(path, datasets[i], dtypes[i], cache));
        const io::Hdf5Rows& column = *file.columns.back();
        if (column.rows() != file.columns[0]->rows()) {
          throw ShapeError(format(path, ": expected as many rows of each dataset, received ",
                                  file.columns[0]->rows(), " of \"", datasets[0], "\" and ",
                                  column.rows(), " of \"", datasets[i], "\""));
        }
        if (impl_->files.empty()) {
          impl_->shapes.push_back(column.row_shape());
        } else if (impl_->shapes[i] != column.row_shape()) {
          throw ShapeError(format(path, ": \"", datasets[i], "\": expected rows of shape ",
                                  impl_->shapes[i], ", as in ", files[0], ", received ",
                                  column.row_shape()));
        }
      }
      if (__builtin_add_overflow(end, file.columns[0]->rows(), &end) ||
          end > std::numeric_limits<std::int32_t>::max()) {
        throw ValueError(format(path, ": expected fewer than 2^31 rows in all, received more"));
      }
      file.end = end;
      impl_->files.push_back(std::move(file));
    });
  }
}
Hdf5Columns::~Hdf5Columns() = default;

std::int32_t Hdf5Columns::rows() const {
  return static_cast<std::int32_t>(impl_->files.back().end);
}
const Shape& Hdf5Columns::row_shape(std::size_t column) const { return impl_->shapes[column]; }

void Hdf5Columns::read(std::int32_t row, std::size_t column, std::span<std::byte> to) const {
  const auto file = std::ranges::upper_bound(impl_->files, std::int64_t{row}, {}, &Impl::File::end);
  const std::int64_t begin = file == impl_->files.begin() ? 0 : std::prev(file)->end;
  file->columns[column]->read(row - begin, to);
}

}  // namespace stoker::detail

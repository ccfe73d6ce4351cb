#include "io/hdf5_rows.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "core/format.h"
#include "io/hdf5_impl.h"
#include "stoker/error.h"

namespace stoker::io {
namespace {

constexpr std::uint64_t kSmallTable = std::uint64_t{1} << 16;  // chunks
constexpr std::uint64_t kChunkEntry = 16;  // bytes that a file spends on a chunk, at the least

}  // namespace

void Hdf5Rows::fail(const std::string& what) const { throw IoError(format(name_, ": ", what)); }

Hdf5Rows::Hdf5Rows(const std::filesystem::path& file, const std::string& path, DType dtype,
                   std::shared_ptr<Hdf5ChunkCache> cache)
    : name_(format(file.native(), ": \"", path, "\"")), file_(file), cache_(std::move(cache)) {
  const Hdf5File opened(file);
  const Hdf5File::Impl& impl = *opened.impl_;
  const auto dataset = opened.dataset(path);
  if (!dataset) fail("expected a dataset of that name, received nothing");
  shape_ = dataset->shape;
  if (shape_.rank() == 0) {
    throw ShapeError(format(name_, ": expected rows along the first axis, received a scalar"));
  }
  row_elements_ = shape_[0] == 0 ? 0
                                 : static_cast<std::size_t>(shape_.elements()) /
                                       static_cast<std::size_t>(shape_[0]);
  const Hdf5Lock lock;
  const Hdf5Handle found = impl.open(path);
  const Hdf5Handle type(found ? H5Dget_type(found.id()) : H5I_INVALID_HID, H5Tclose);
  const Hdf5Handle creation(found ? H5Dget_create_plist(found.id()) : H5I_INVALID_HID, H5Pclose);
  if (!type || !creation) fail(format("could not open it: ", hdf5_reason()));
  numbers_ = Hdf5Numbers(name_, *dataset, type.id(), dtype);
  if (shape_.elements() == 0) return;
  switch (H5Pget_layout(creation.id())) {
    case H5D_CONTIGUOUS:
      offset_ = H5Dget_offset(found.id());  // within the file, or dataset() would have thrown
      return;
    case H5D_CHUNKED:
      open_chunks(found.id(), creation.id());
      return;
    default:
      is_compact_ = true;
      compact_.resize(static_cast<std::size_t>(shape_.elements()) * numbers_.file_bytes());
      if (H5Dread(found.id(), type.id(), H5S_ALL, H5S_ALL, H5P_DEFAULT, compact_.data()) < 0) {
        fail(format("could not read it: ", hdf5_reason()));
      }
  }
}

void Hdf5Rows::open_chunks(hid_t id, hid_t creation) {
  std::array<hsize_t, H5S_MAX_RANK> extents{};
  const auto rank = shape_.rank();
  if (H5Pget_chunk(creation, static_cast<int>(rank), extents.data()) != static_cast<int>(rank)) {
    fail(format("could not read the size of its chunks: ", hdf5_reason()));
  }
  unsigned options = 0;
  if (H5Pget_chunk_opts(creation, &options) < 0 || options != 0) {
    fail("expected chunks that are all filtered, received some that are not");
  }
  chunk_bytes_ = numbers_.file_bytes();  // which fits: dataset() has checked it
  std::uint64_t count = 1;
  for (std::size_t axis = 0; axis < rank; ++axis) {
    const auto extent = static_cast<std::uint64_t>(shape_[axis]);
    if (extents[axis] == 0) fail("expected chunks with elements in them, received empty ones");
    extents_.push_back(extents[axis]);
    grid_.push_back((extent - 1) / extents[axis] + 1);
    chunk_bytes_ *= extents[axis];
    covers_rows_ = covers_rows_ && (axis == 0 || extents[axis] == extent);
    if (__builtin_mul_overflow(count, grid_.back(), &count)) fail("expected fewer chunks");
  }
  const std::uint64_t most = std::max(file_.size() / kChunkEntry, kSmallTable);
  if (count > most) {
    fail(format("expected at most ", most, " chunks in a file of ", file_.size(),
                " bytes, received ", count));
  }
  const int filters = H5Pget_nfilters(creation);
  for (int i = 0; i < filters; ++i) {
    unsigned flags = 0, config = 0;
    std::array<unsigned, 8> values{};
    std::size_t value_count = values.size();
    const H5Z_filter_t filter = H5Pget_filter2(creation, static_cast<unsigned>(i), &flags,
                                               &value_count, values.data(), 0, nullptr, &config);
    switch (filter) {
      case H5Z_FILTER_DEFLATE:
        filters_.push_back({Hdf5Filter::Kind::deflate});
        break;
      case H5Z_FILTER_SHUFFLE: {
        const std::size_t element = value_count > 0 ? values[0] : numbers_.file_bytes();
        if (element == 0 || element > chunk_bytes_) fail("expected a shuffle of its elements");
        filters_.push_back({Hdf5Filter::Kind::shuffle, element});
        break;
      }
      case H5Z_FILTER_FLETCHER32:
        filters_.push_back({Hdf5Filter::Kind::fletcher32});
        break;
      default:
        fail(format("expected no filters but deflate, shuffle and fletcher32, received filter ",
                    filter));
    }
  }

  places_.resize(static_cast<std::size_t>(count));
  std::array<hsize_t, H5S_MAX_RANK> at{};
  std::vector<std::uint64_t> cell(rank, 0);
  std::vector<std::uint64_t> first;
  for (Place& place : places_) {
    for (std::size_t axis = 0; axis < rank; ++axis) at[axis] = cell[axis] * extents_[axis];
    unsigned mask = 0;
    haddr_t offset = HADDR_UNDEF;
    hsize_t size = 0;
    if (H5Dget_chunk_info_by_coord(id, at.data(), &mask, &offset, &size) < 0) {
      fail(format("could not find its chunks: ", hdf5_reason()));
    }
    if (offset != HADDR_UNDEF && size != 0) {
      if (size > file_.size() || offset > file_.size() - size) {
        fail(format("expected chunks within the ", file_.size(), " bytes of the file, received ",
                    size, " bytes at offset ", offset));
      }
      place = {offset, static_cast<std::uint32_t>(size), mask};
      if (size > UINT32_MAX) fail("expected chunks of less than 2^32 bytes, received larger ones");
      if (filters_.empty() && size < chunk_bytes_) {
        fail(format("expected chunks of ", chunk_bytes_, " bytes, received one of ", size));
      }
      if (first.empty()) {
        for (std::size_t axis = 0; axis < rank; ++axis) first.push_back(at[axis]);
      }
    }
    for (std::size_t axis = rank; axis-- > 0;) {
      if (++cell[axis] < grid_[axis]) break;
      cell[axis] = 0;
    }
  }
  if (!first.empty()) find_base(id, first);
}

// Before its version 1.14.2 libhdf5 leaves the block of the user's that a file may begin with out
// of the offsets of chunks. What libhdf5 itself reads shows whether it does.
void Hdf5Rows::find_base(hid_t id, const std::vector<std::uint64_t>& first) {
  const Hdf5Handle file(H5Iget_file_id(id), H5Fclose);
  const Hdf5Handle creation(file ? H5Fget_create_plist(file.id()) : H5I_INVALID_HID, H5Pclose);
  hsize_t block = 0;
  if (!creation || H5Pget_userblock(creation.id(), &block) < 0) {
    fail(format("could not read how the file begins: ", hdf5_reason()));
  }
  if (block == 0) return;
  std::vector<std::uint64_t> cell(first);
  for (std::size_t axis = 0; axis < cell.size(); ++axis) cell[axis] /= extents_[axis];
  const Place& place = places_[static_cast<std::size_t>(chunk_number(cell))];
  std::vector<std::byte> expected(place.size), received(place.size);
  std::uint32_t mask = 0;
  std::vector<hsize_t> at(first.begin(), first.end());
  if (H5Dread_chunk(id, H5P_DEFAULT, at.data(), &mask, expected.data()) < 0) {
    fail(format("could not read a chunk: ", hdf5_reason()));
  }
  for (const std::uint64_t base : {std::uint64_t{0}, std::uint64_t{block}}) {
    if (file_.read_at(place.offset + base, received) != received.size()) continue;
    if (received != expected) continue;
    for (Place& other : places_) {
      if (other.size != 0) other.offset += base;
    }
    return;
  }
  fail("expected its chunks where libhdf5 says they are, received others");
}

Shape Hdf5Rows::row_shape() const {
  Shape row;
  for (std::size_t axis = 1; axis < shape_.rank(); ++axis) row.push_back(shape_[axis]);
  return row;
}

std::uint64_t Hdf5Rows::chunk_number(std::span<const std::uint64_t> at) const {
  std::uint64_t number = 0;
  for (std::size_t axis = 0; axis < at.size(); ++axis) number = number * grid_[axis] + at[axis];
  return number;
}

void Hdf5Rows::fetch(std::uint64_t offset, std::span<std::byte> to) const {
  const std::size_t received = file_.read_at(offset, to);
  if (received == to.size()) return;
  fail(format("truncated: expected ", to.size(), " bytes at offset ", offset, ", received ",
              received));
}

std::shared_ptr<const Hdf5Chunk> Hdf5Rows::unpacked(std::uint64_t number) const {
  const Place& place = places_[static_cast<std::size_t>(number)];
  const auto chunk = cache_->find(this, number, chunk_bytes_);
  const std::lock_guard lock(chunk->filling);
  if (chunk->is_filled) return chunk;
  try {
    thread_local std::vector<std::byte> packed;
    packed.resize(place.size);
    fetch(place.offset, packed);
    chunk->bytes.resize(static_cast<std::size_t>(chunk_bytes_));
    const std::string why = unpack_chunk(filters_, place.filter_mask, packed, chunk->bytes);
    if (!why.empty()) fail(format("chunk at offset ", place.offset, ": ", why));
    chunk->is_filled = true;
  } catch (...) {
    cache_->drop(chunk);
    throw;
  }
  return chunk;
}

void Hdf5Rows::read_raw(std::int64_t row, std::span<std::byte> to) const {
  const std::uint64_t at = static_cast<std::uint64_t>(row) * to.size();
  if (is_compact_) {
    std::memcpy(to.data(), compact_.data() + at, to.size());
  } else if (extents_.empty()) {
    fetch(offset_ + at, to);
  } else {
    read_chunked(row, to);
  }
}

// A row is cut by the chunks along the axes behind the first. Of each chunk, runs of elements along
// the last axis are copied.
void Hdf5Rows::read_chunked(std::int64_t row, std::span<std::byte> to) const {
  const std::size_t rank = shape_.rank();
  const std::size_t element = numbers_.file_bytes();
  std::array<std::uint64_t, Shape::kMaxRank> cell{};
  const auto wanted = static_cast<std::uint64_t>(row);
  cell[0] = wanted / extents_[0];
  const std::uint64_t slice = wanted % extents_[0];
  const std::uint64_t slice_bytes = chunk_bytes_ / extents_[0];
  for (;;) {
    const std::uint64_t number = chunk_number(std::span(cell).first(rank));
    const Place& place = places_[static_cast<std::size_t>(number)];
    if (place.size == 0) fail(format("row ", row, " was never written"));
    std::shared_ptr<const Hdf5Chunk> chunk;
    thread_local std::vector<std::byte> plain;
    std::span<const std::byte> from;
    if (filters_.empty()) {
      if (covers_rows_) return fetch(place.offset + slice * slice_bytes, to);
      plain.resize(static_cast<std::size_t>(slice_bytes));
      fetch(place.offset + slice * slice_bytes, plain);
      from = plain;
    } else {
      chunk = unpacked(number);
      from = std::span(chunk->bytes).subspan(slice * slice_bytes, slice_bytes);
    }
    if (covers_rows_) {
      std::memcpy(to.data(), from.data(), to.size());
      return;
    }
    // The part of the chunk that lies within the dataset.
    std::array<std::uint64_t, Shape::kMaxRank> part{}, step{}, chunk_step{}, at{};
    std::uint64_t row_step = element, inner_step = element;
    for (std::size_t axis = rank; axis-- > 1;) {
      const auto extent = static_cast<std::uint64_t>(shape_[axis]);
      part[axis] = std::min(extents_[axis], extent - cell[axis] * extents_[axis]);
      step[axis] = row_step;
      chunk_step[axis] = inner_step;
      row_step *= extent;
      inner_step *= extents_[axis];
    }
    const std::size_t run =
        rank == 1 ? element : static_cast<std::size_t>(part[rank - 1]) * element;
    for (bool more = true; more;) {
      std::uint64_t to_offset = 0, from_offset = 0;
      for (std::size_t axis = 1; axis < rank; ++axis) {
        to_offset += (cell[axis] * extents_[axis] + at[axis]) * step[axis];
        from_offset += at[axis] * chunk_step[axis];
      }
      std::memcpy(to.data() + to_offset, from.data() + from_offset, run);
      more = false;
      for (std::size_t axis = rank - 1; axis-- > 1;) {
        if (++at[axis] < part[axis]) {
          more = true;
          break;
        }
        at[axis] = 0;
      }
    }
    bool is_last = true;
    for (std::size_t axis = rank; axis-- > 1;) {
      if (++cell[axis] < grid_[axis]) {
        is_last = false;
        break;
      }
      cell[axis] = 0;
    }
    if (is_last) return;
  }
}

void Hdf5Rows::read(std::int64_t row, std::span<std::byte> to) const {
  if (row < 0 || row >= rows()) fail(format("expected a row below ", rows(), ", received ", row));
  if (to.size() != row_elements_ * numbers_.memory_bytes()) {
    fail(format("is read into ", to.size(), " bytes, expected ",
                row_elements_ * numbers_.memory_bytes()));
  }
  if (to.empty()) return;
  if (numbers_.is_plain()) return read_raw(row, to);
  thread_local std::vector<std::byte> raw;
  raw.resize(row_elements_ * numbers_.file_bytes());
  read_raw(row, raw);
  numbers_.convert(name_, row, raw, to);
}

}  // namespace stoker::io

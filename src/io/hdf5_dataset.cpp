// What datasets of HDF5 files are, and their data.
#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <utility>

#include "core/format.h"
#include "core/input_file.h"
#include "io/hdf5_impl.h"
#include "stoker/error.h"

namespace stoker::io {

namespace {

constexpr std::uint64_t kSmallChunk = std::uint64_t{1} << 20;
// Deflate packs at most this many bytes into one.
constexpr std::uint64_t kMostDeflated = 1032;

// Whether a type of two bytes is IEEE's half precision. HDF5 has no name for it.
bool is_half(hid_t type) {
  std::size_t sign = 0, exponent = 0, exponent_bits = 0, mantissa = 0, mantissa_bits = 0;
  return H5Tget_fields(type, &sign, &exponent, &exponent_bits, &mantissa, &mantissa_bits) >= 0 &&
         sign == 15 && exponent == 10 && exponent_bits == 5 && mantissa == 0 &&
         mantissa_bits == 10 && H5Tget_ebias(type) == 15 && H5Tget_norm(type) == H5T_NORM_IMPLIED &&
         H5Tget_precision(type) == 16;
}

bool is_ieee(hid_t type) {
  for (const hid_t known : {H5T_IEEE_F32LE, H5T_IEEE_F32BE, H5T_IEEE_F64LE, H5T_IEEE_F64BE}) {
    if (H5Tequal(type, known) > 0) return true;
  }
  return H5Tget_size(type) == 2 && is_half(type);
}

bool is_whole_integer(hid_t type) {
  const std::size_t bytes = H5Tget_size(type);
  return bytes <= 8 && std::has_single_bit(bytes) && H5Tget_precision(type) == 8 * bytes;
}

}  // namespace

void Hdf5File::Impl::check_storage(const Hdf5Dataset& dataset, hid_t id, hid_t creation) const {
  const auto size =
      product(static_cast<std::uint64_t>(dataset.shape.elements()), dataset.element_bytes);
  const std::uint64_t stored = H5Dget_storage_size(id);
  if (!size)
    fail(dataset.path, format("expected a size that fits 64 bits, received ", dataset.shape));
  if (stored > bytes) {
    fail(dataset.path, format("expected data within the ", bytes, " bytes of the file, received ",
                              stored, " bytes"));
  }
  const bool is_enough =
      dataset.is_filtered ? stored >= *size / kMostDeflated && stored > 0 : stored >= *size;
  if (*size > 0 && !is_enough) {
    fail(dataset.path, format("declares ", dataset.shape, ", which takes ", *size,
                              " bytes, but the file holds ", stored, " of them"));
  }
  if (H5Pget_layout(creation) != H5D_CHUNKED) return;
  std::array<hsize_t, H5S_MAX_RANK> extents{};
  const int rank = H5Pget_chunk(creation, static_cast<int>(extents.size()), extents.data());
  std::optional<std::uint64_t> chunk = dataset.element_bytes;
  for (int i = 0; i < rank && chunk; ++i) {
    chunk = product(*chunk, extents[static_cast<std::size_t>(i)]);
  }
  if (rank < 0 || !chunk || *chunk > std::max(*size, kSmallChunk)) {
    fail(dataset.path, format("expected chunks of at most ", std::max(*size, kSmallChunk),
                              " bytes, received larger ones"));
  }
}

Hdf5Dataset Hdf5File::Impl::describe(const std::string& path, hid_t id) const {
  Hdf5Dataset dataset;
  dataset.path = path;
  // The storage comes first: to ask a virtual dataset for its extents could open other files.
  const Hdf5Handle creation(H5Dget_create_plist(id), H5Pclose);
  if (!creation) fail(path, format("could not read its properties: ", hdf5_reason()));
  const H5D_layout_t layout = H5Pget_layout(creation.id());
  if (layout == H5D_VIRTUAL) {
    fail(path, "expected data in this file, received a virtual dataset, which may lead to others");
  }
  if (layout != H5D_COMPACT && layout != H5D_CONTIGUOUS && layout != H5D_CHUNKED) {
    fail(path, "expected contiguous, compact or chunked storage, received another");
  }
  if (H5Pget_external_count(creation.id()) != 0) {
    fail(path, "expected data in this file, received external storage, which leads to others");
  }
  const int filters = H5Pget_nfilters(creation.id());
  if (filters < 0) fail(path, format("could not read its filters: ", hdf5_reason()));
  for (int i = 0; i < filters; ++i) {
    unsigned flags = 0, config = 0;
    std::size_t values = 0;
    const H5Z_filter_t filter = H5Pget_filter2(creation.id(), static_cast<unsigned>(i), &flags,
                                               &values, nullptr, 0, nullptr, &config);
    if (filter != H5Z_FILTER_DEFLATE && filter != H5Z_FILTER_SHUFFLE &&
        filter != H5Z_FILTER_FLETCHER32) {
      fail(path, format("expected no filters but deflate, shuffle and fletcher32, received filter ",
                        filter));
    }
  }
  dataset.is_filtered = filters > 0;

  const Hdf5Handle type(H5Dget_type(id), H5Tclose);
  if (!type) fail(path, format("could not read its type: ", hdf5_reason()));
  dataset.element_bytes = H5Tget_size(type.id());
  const H5T_class_t type_class = H5Tget_class(type.id());
  if (type_class == H5T_FLOAT && is_ieee(type.id())) {
    dataset.type = Hdf5Type::floating;
  } else if (type_class == H5T_INTEGER && is_whole_integer(type.id())) {
    dataset.type = Hdf5Type::integer;
  } else if (type_class == H5T_OPAQUE && dataset.element_bytes == 2) {
    dataset.type = Hdf5Type::opaque_16bit;
  } else {
    fail(path, "expected IEEE floats, integers or bfloat16, received another type");
  }

  if (H5Aexists(id, "dtype") > 0) {
    const Hdf5Handle attribute(H5Aopen(id, "dtype", H5P_DEFAULT), H5Aclose);
    if (!attribute) fail(path, format("could not open its dtype: ", hdf5_reason()));
    const std::vector<std::string> texts = read_texts(path, "dtype", attribute.id());
    if (texts.size() == 1) dataset.dtype_attribute = texts[0];
  }
  if (dataset.type == Hdf5Type::opaque_16bit && dataset.dtype_attribute != "bfloat16") {
    fail(path, "expected IEEE floats, integers or bfloat16, received another type");
  }

  const Hdf5Handle space(H5Dget_space(id), H5Sclose);
  const H5S_class_t kind = space ? H5Sget_simple_extent_type(space.id()) : H5S_NO_CLASS;
  if (kind != H5S_SIMPLE && kind != H5S_SCALAR) {
    fail(path, "expected a tensor, received a dataset without extents");
  }
  const int rank = H5Sget_simple_extent_ndims(space.id());
  if (rank < 0 || static_cast<std::size_t>(rank) > Shape::kMaxRank) {
    fail(path, format("expected at most ", Shape::kMaxRank, " axes, received ", rank));
  }
  std::array<hsize_t, H5S_MAX_RANK> extents{};
  H5Sget_simple_extent_dims(space.id(), extents.data(), nullptr);
  std::uint64_t elements = 1;
  for (std::size_t i = 0; i < static_cast<std::size_t>(rank); ++i) {
    const auto next = product(elements, extents[i]);
    if (!next || *next > std::numeric_limits<std::int64_t>::max() / 8 ||
        extents[i] > std::numeric_limits<std::int64_t>::max() / 8) {
      fail(path, "expected a size that fits 64 bits, received a larger one");
    }
    elements = *next;
    dataset.shape.push_back(static_cast<std::int64_t>(extents[i]));
  }
  check_storage(dataset, id, creation.id());
  if (layout == H5D_CONTIGUOUS && elements > 0) {
    const haddr_t offset = H5Dget_offset(id);
    const std::uint64_t size = elements * dataset.element_bytes;
    if (offset == HADDR_UNDEF || size > bytes || offset > bytes - size) {
      fail(path, format("expected data within the ", bytes, " bytes of the file, received ", size,
                        " bytes elsewhere"));
    }
    if (H5Tequal(type.id(), H5T_IEEE_F32LE) > 0) dataset.offset = offset;
  }
  return dataset;
}

std::optional<Hdf5Dataset> Hdf5File::dataset(const std::string& path) const {
  const Hdf5Lock lock;
  const Hdf5Handle found = impl_->open(path);
  if (!found) return std::nullopt;
  if (H5Iget_type(found.id()) != H5I_DATASET) {
    impl_->fail(path, "expected a dataset, received a group or a type");
  }
  return impl_->describe(path, found.id());
}

void Hdf5File::require_readable() const {
  if (!impl_->path) return;
  InputFile file(*impl_->path);
  std::vector<std::byte> piece(std::size_t{1} << 18);
  while (file.read(piece) == piece.size()) {
  }
}

void Hdf5File::read(const Hdf5Dataset& dataset, DType dtype, std::span<std::byte> to) const {
  const Hdf5Lock lock;
  const auto elements = static_cast<std::size_t>(dataset.shape.elements());
  if (to.size() != elements * size_of(dtype)) {
    impl_->fail(dataset.path,
                format("is read into ", to.size(), " bytes, expected ", elements * size_of(dtype)));
  }
  if (elements == 0) return;
  const Hdf5Handle found = impl_->open(dataset.path);
  if (!found || H5Iget_type(found.id()) != H5I_DATASET) {
    impl_->fail(dataset.path, "expected a dataset, received nothing");
  }
  const auto read_as = [&](hid_t type, void* memory) {
    if (H5Dread(found.id(), type, H5S_ALL, H5S_ALL, H5P_DEFAULT, memory) < 0) {
      impl_->fail(dataset.path, format("could not read it: ", hdf5_reason()));
    }
  };
  if (dtype == DType::int32) {
    if (dataset.type != Hdf5Type::integer) {
      impl_->fail(dataset.path, "expected integers, received floats");
    }
    // libhdf5 replaces numbers that don't fit by the nearest that do, so they are read as 64 bits.
    std::vector<std::int64_t> wide(elements);
    read_as(H5T_NATIVE_INT64, wide.data());
    for (std::size_t i = 0; i < elements; ++i) {
      if (!std::in_range<std::int32_t>(wide[i])) {
        impl_->fail(dataset.path, format("expected numbers of 32 bits, received ", wide[i]));
      }
      const auto value = static_cast<std::int32_t>(wide[i]);
      std::memcpy(to.data() + i * sizeof(value), &value, sizeof(value));
    }
    return;
  }
  if (dataset.type != Hdf5Type::opaque_16bit) return read_as(H5T_NATIVE_FLOAT, to.data());
  // The 16-bit values lie in the upper half at first, and are widened from the front.
  const Hdf5Handle type(H5Dget_type(found.id()), H5Tclose);
  const std::byte* from = to.data() + elements * sizeof(bfloat16);
  read_as(type.id(), to.data() + elements * sizeof(bfloat16));
  for (std::size_t i = 0; i < elements; ++i) {
    bfloat16 value;
    std::memcpy(&value.bits, from + i * sizeof(bfloat16), sizeof(value.bits));
    const float wide = static_cast<float>(value);
    std::memcpy(to.data() + i * sizeof(wide), &wide, sizeof(wide));
  }
}

}  // namespace stoker::io

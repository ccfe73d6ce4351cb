#include "io/hdf5_writer.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "core/format.h"
#include "io/hdf5_handle.h"
#include "stoker/error.h"

namespace stoker::io {

namespace {

constexpr std::size_t kPiece = std::size_t{1} << 20;

// Room for the descriptions of one group or dataset. With room for all of them at the beginning of
// the file, no memory is needed for the data, which then lie behind the last description.
constexpr std::size_t kDescriptionBytes = 1024;
constexpr std::size_t kLeastDescriptions = std::size_t{1} << 11;
constexpr std::size_t kStep = std::size_t{1} << 16;

struct Data {
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
  Hdf5Writer::Fetch fetch;
};

// The beginning of the file as libhdf5 writes it. It stays when libhdf5 closes the file.
struct Image {
  std::byte* memory = nullptr;
  std::size_t size = 0;

  Image() = default;
  Image(const Image&) = delete;
  Image& operator=(const Image&) = delete;
  ~Image() { std::free(memory); }
};

void* resize(void*, std::size_t size, H5FD_file_image_op_t, void* data) {
  auto& image = *static_cast<Image*>(data);
  void* memory = std::realloc(image.memory, size);
  if (memory == nullptr) return nullptr;
  image.memory = static_cast<std::byte*>(memory);
  image.size = size;
  return memory;
}
void* allocate(std::size_t size, H5FD_file_image_op_t op, void* data) {
  return resize(nullptr, size, op, data);
}
void* copy(void* to, const void* from, std::size_t size, H5FD_file_image_op_t, void*) {
  return std::memcpy(to, from, size);
}
herr_t keep(void*, H5FD_file_image_op_t, void*) { return 0; }
void* share(void* data) { return data; }
herr_t unshare(void*) { return 0; }

// The end of the file by its superblock of version 0 (HDF5 File Format Specification, II.A).
std::optional<std::uint64_t> end_of(const Image& image) {
  constexpr std::size_t kVersion = 8, kOffsetBytes = 13, kEnd = 40;
  if (image.size < kEnd + sizeof(std::uint64_t) || image.memory[kVersion] != std::byte{0} ||
      image.memory[kOffsetBytes] != std::byte{sizeof(std::uint64_t)}) {
    return std::nullopt;
  }
  std::uint64_t end = 0;
  std::memcpy(&end, image.memory + kEnd, sizeof(end));
  return end;
}

}  // namespace

struct Hdf5Writer::Impl {
  std::string name;
  Image image{};
  std::uint64_t bytes = 0;
  std::vector<Data> data{};
  Hdf5Handle file{}, link_plist{}, dataset_plist{};

  ~Impl() {
    const Hdf5Lock lock;
    dataset_plist.reset();
    link_plist.reset();
    file.reset();
  }

  [[noreturn]] void fail(const std::string& path, const std::string& why) const {
    throw IoError(format(name, ": ", path.empty() ? "" : format('"', path, "\": "),
                         "could not describe it as HDF5: ", why));
  }
  // Called with an Hdf5Lock.
  void require(bool is_done, const std::string& path) const {
    if (!is_done) fail(path, hdf5_reason());
  }
};

Hdf5Writer::Hdf5Writer(std::string name, std::size_t objects) : impl_(std::make_unique<Impl>()) {
  impl_->name = std::move(name);
  const Hdf5Lock lock;
  const Hdf5Handle plist(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
  H5FD_file_image_callbacks_t callbacks{allocate, copy,    resize,       keep,
                                        share,    unshare, &impl_->image};
  H5Pset_fclose_degree(plist.id(), H5F_CLOSE_STRONG);
  impl_->require(H5Pset_fapl_core(plist.id(), kStep, false) >= 0 &&
                     H5Pset_file_image_callbacks(plist.id(), &callbacks) >= 0 &&
                     H5Pset_meta_block_size(plist.id(), std::max(kLeastDescriptions,
                                                                 objects * kDescriptionBytes)) >= 0,
                 {});
  impl_->file = {H5Fcreate("image", H5F_ACC_TRUNC, H5P_DEFAULT, plist.id()), H5Fclose};
  impl_->require(static_cast<bool>(impl_->file), {});
  impl_->link_plist = {H5Pcreate(H5P_LINK_CREATE), H5Pclose};
  impl_->dataset_plist = {H5Pcreate(H5P_DATASET_CREATE), H5Pclose};
  const hid_t dataset_plist = impl_->dataset_plist.id();
  // Times would make two files of one model differ.
  impl_->require(H5Pset_create_intermediate_group(impl_->link_plist.id(), 1) >= 0 &&
                     H5Pset_layout(dataset_plist, H5D_CONTIGUOUS) >= 0 &&
                     H5Pset_alloc_time(dataset_plist, H5D_ALLOC_TIME_EARLY) >= 0 &&
                     H5Pset_fill_time(dataset_plist, H5D_FILL_TIME_NEVER) >= 0 &&
                     H5Pset_obj_track_times(dataset_plist, false) >= 0,
                 {});
}

Hdf5Writer::~Hdf5Writer() = default;

void Hdf5Writer::group(const std::string& path) {
  const Hdf5Lock lock;
  const Hdf5Handle made(
      H5Gcreate2(impl_->file.id(), path.c_str(), impl_->link_plist.id(), H5P_DEFAULT, H5P_DEFAULT),
      H5Gclose);
  impl_->require(static_cast<bool>(made), path);
}

void Hdf5Writer::text(const std::string& group, const std::string& attribute,
                      std::string_view value) {
  const Hdf5Lock lock;
  const Hdf5Handle owner(H5Oopen(impl_->file.id(), group.c_str(), H5P_DEFAULT), H5Oclose);
  const Hdf5Handle type(H5Tcopy(H5T_C_S1), H5Tclose);
  const Hdf5Handle space(H5Screate(H5S_SCALAR), H5Sclose);
  H5Tset_size(type.id(), H5T_VARIABLE);
  H5Tset_cset(type.id(), H5T_CSET_UTF8);
  const Hdf5Handle made(
      H5Acreate2(owner.id(), attribute.c_str(), type.id(), space.id(), H5P_DEFAULT, H5P_DEFAULT),
      H5Aclose);
  const std::string text(value);
  const char* pointer = text.c_str();
  impl_->require(made && H5Awrite(made.id(), type.id(), static_cast<const void*>(&pointer)) >= 0,
                 group);
}

void Hdf5Writer::dataset(const std::string& path, const Shape& shape, DType dtype, Fetch fetch) {
  const Hdf5Lock lock;
  std::array<hsize_t, Shape::kMaxRank> extents{};
  for (std::size_t i = 0; i < shape.rank(); ++i) extents[i] = static_cast<hsize_t>(shape[i]);
  const Hdf5Handle space(
      shape.rank() == 0 ? H5Screate(H5S_SCALAR)
                        : H5Screate_simple(static_cast<int>(shape.rank()), extents.data(), nullptr),
      H5Sclose);
  const hid_t type = dtype == DType::int32 ? H5T_STD_I32LE : H5T_IEEE_F32LE;
  const Hdf5Handle made(H5Dcreate2(impl_->file.id(), path.c_str(), type, space.id(), H5P_DEFAULT,
                                   impl_->dataset_plist.id(), H5P_DEFAULT),
                        H5Dclose);
  impl_->require(static_cast<bool>(made), path);
  const std::uint64_t bytes = static_cast<std::uint64_t>(shape.elements()) * size_of(dtype);
  if (bytes == 0) return;
  const haddr_t offset = H5Dget_offset(made.id());
  impl_->require(offset != HADDR_UNDEF, path);
  impl_->data.push_back({offset, bytes, std::move(fetch)});
}

std::uint64_t Hdf5Writer::close() {
  {
    // Closing writes what is left. To flush before would fill memory for all data with zeros.
    const Hdf5Lock lock;
    impl_->require(impl_->file.reset(), {});
  }
  const std::optional<std::uint64_t> end = end_of(impl_->image);
  if (!end) impl_->fail({}, "expected a superblock of version 0, received another");
  impl_->bytes = *end;
  std::ranges::sort(impl_->data, {}, &Data::offset);
  for (const Data& one : impl_->data) impl_->bytes = std::max(impl_->bytes, one.offset + one.bytes);
  return impl_->bytes;
}

void Hdf5Writer::write(const Sink& sink) const {
  std::vector<std::byte> piece(kPiece);
  const auto write_range = [&](std::uint64_t begin, std::uint64_t end, const auto& fill) {
    for (std::uint64_t at = begin; at < end; at += kPiece) {
      const auto part = std::span(piece).first(
          static_cast<std::size_t>(std::min<std::uint64_t>(kPiece, end - at)));
      fill(at, part);
      sink(part);
    }
  };
  // Behind the last description there is nothing, and between the data only gaps.
  const auto describe = [&](std::uint64_t at, std::span<std::byte> part) {
    const Image& image = impl_->image;
    const std::size_t known =
        at < image.size ? std::min<std::size_t>(part.size(), image.size - at) : 0;
    if (known > 0) std::copy_n(image.memory + at, known, part.begin());
    std::ranges::fill(part.subspan(known), std::byte{0});
  };
  std::uint64_t at = 0;
  for (const Data& one : impl_->data) {
    write_range(at, one.offset, describe);
    write_range(
        one.offset, one.offset + one.bytes,
        [&](std::uint64_t from, std::span<std::byte> part) { one.fetch(from - one.offset, part); });
    at = one.offset + one.bytes;
  }
  write_range(at, impl_->bytes, describe);
}

}  // namespace stoker::io

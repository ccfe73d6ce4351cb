#include "io/hdf5.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "core/format.h"
#include "core/input_file.h"
#include "io/hdf5_impl.h"
#include "stoker/error.h"

namespace stoker::io {

namespace {

constexpr std::size_t kMostComponents = 64;     // of a path
constexpr std::size_t kMostChildren = 1 << 16;  // of a group
constexpr std::size_t kMostTextBytes = std::size_t{1} << 26;

// libhdf5 would copy an image of a file. These make it use the caller's memory, which it only
// reads.
void* image_memory(std::size_t, H5FD_file_image_op_t, void* image) { return image; }
void* image_copy(void* to, const void*, std::size_t, H5FD_file_image_op_t, void*) { return to; }
void* image_resize(void*, std::size_t, H5FD_file_image_op_t, void*) { return nullptr; }
herr_t image_release(void*, H5FD_file_image_op_t, void*) { return 0; }
void* image_share(void* data) { return data; }
herr_t image_unshare(void*) { return 0; }

Hdf5Handle access_plist() {
  Hdf5Handle plist(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
  H5Pset_fclose_degree(plist.id(), H5F_CLOSE_STRONG);
  return plist;
}

std::vector<std::string> components_of(const std::string& path) {
  std::vector<std::string> parts;
  std::size_t begin = 0;
  while (begin < path.size()) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    parts.push_back(path.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

}  // namespace

[[noreturn]] void Hdf5File::Impl::fail(const std::string& path, const std::string& what) const {
  throw IoError(format(name, ": ", path.empty() ? "" : format('"', path, "\": "), what));
}

void Hdf5File::Impl::require_open() const {
  if (file) return;
  fail({},
       format("expected an HDF5 file, received another or a damaged one (", hdf5_reason(), ")"));
}

Hdf5Handle Hdf5File::Impl::open(const std::string& path) const {
  Hdf5Handle at(H5Gopen2(file.id(), "/", H5P_DEFAULT), H5Oclose);
  if (!at) fail(path, format("could not open the root: ", hdf5_reason()));
  const std::vector<std::string> parts = components_of(path);
  if (parts.size() > kMostComponents) {
    fail(path, format("expected at most ", kMostComponents, " levels, received ", parts.size()));
  }
  for (const std::string& part : parts) {
    if (part.empty() || part == "." || part.find('\0') != std::string::npos) {
      fail(path, "expected names between the slashes");
    }
    if (H5Iget_type(at.id()) != H5I_GROUP) return {};
    const htri_t exists = H5Lexists(at.id(), part.c_str(), H5P_DEFAULT);
    if (exists < 0) fail(path, format("could not look it up: ", hdf5_reason()));
    if (exists == 0) return {};
    H5L_info_t link{};
    if (H5Lget_info(at.id(), part.c_str(), &link, H5P_DEFAULT) < 0) {
      fail(path, format("could not look it up: ", hdf5_reason()));
    }
    if (link.type != H5L_TYPE_HARD) {
      fail(path, format("expected an object of this file, received a ",
                        link.type == H5L_TYPE_SOFT ? "soft" : "external",
                        " link, which is never followed"));
    }
    Hdf5Handle next(H5Oopen(at.id(), part.c_str(), H5P_DEFAULT), H5Oclose);
    if (!next) fail(path, format("could not open it: ", hdf5_reason()));
    at = std::move(next);
  }
  return at;
}

Hdf5File::Hdf5File(const std::filesystem::path& path) : impl_(std::make_unique<Impl>()) {
  impl_->name = path.native();
  impl_->path = path;
  impl_->bytes = InputFile(path).size();  // refuses what is no regular file
  const Hdf5Lock lock;
  const Hdf5Handle plist = access_plist();
  H5Pset_fapl_sec2(plist.id());
  impl_->file = {H5Fopen(path.c_str(), H5F_ACC_RDONLY, plist.id()), H5Fclose};
  impl_->require_open();
}

Hdf5File::Hdf5File(std::string name, std::span<const std::byte> image)
    : impl_(std::make_unique<Impl>()) {
  impl_->name = std::move(name);
  impl_->bytes = image.size();
  const Hdf5Lock lock;
  const Hdf5Handle plist = access_plist();
  void* memory = const_cast<std::byte*>(image.data());
  H5FD_file_image_callbacks_t callbacks{image_memory, image_copy,    image_resize, image_release,
                                        image_share,  image_unshare, memory};
  if (!image.empty() && H5Pset_fapl_core(plist.id(), 0, false) >= 0 &&
      H5Pset_file_image_callbacks(plist.id(), &callbacks) >= 0 &&
      H5Pset_file_image(plist.id(), memory, image.size()) >= 0) {
    impl_->file = {H5Fopen("image", H5F_ACC_RDONLY, plist.id()), H5Fclose};
  }
  impl_->require_open();
}

Hdf5File::~Hdf5File() = default;
Hdf5File::Hdf5File(Hdf5File&&) noexcept = default;

const std::string& Hdf5File::name() const { return impl_->name; }
std::uint64_t Hdf5File::bytes() const { return impl_->bytes; }

bool Hdf5File::has_group(const std::string& path) const {
  const Hdf5Lock lock;
  return static_cast<bool>(impl_->open_group(path));
}

std::vector<std::string> Hdf5File::children(const std::string& group) const {
  const Hdf5Lock lock;
  const Hdf5Handle found = impl_->open_group(group);
  if (!found) return {};
  H5G_info_t info{};
  if (H5Gget_info(found.id(), &info) < 0) {
    impl_->fail(group, format("could not list it: ", hdf5_reason()));
  }
  if (info.nlinks > kMostChildren) {
    impl_->fail(group,
                format("expected at most ", kMostChildren, " members, received ", info.nlinks));
  }
  std::vector<std::string> names;
  const auto take = [](hid_t, const char* name, const H5L_info_t*, void* data) -> herr_t {
    auto& list = *static_cast<std::vector<std::string>*>(data);
    try {
      if (list.size() >= kMostChildren) return -1;
      list.emplace_back(name);
    } catch (...) {
      return -1;  // No exception may pass through C.
    }
    return 0;
  };
  hsize_t at = 0;
  if (H5Literate(found.id(), H5_INDEX_NAME, H5_ITER_INC, &at, take, &names) < 0) {
    impl_->fail(group, format("could not list it: ", hdf5_reason()));
  }
  return names;
}

// ---- Attributes --------------------------------------------------------------------------------
std::vector<std::string> Hdf5File::Impl::read_texts(const std::string& group,
                                                    const std::string& attribute, hid_t id) const {
  const std::string place = format(group, "@", attribute);
  const Hdf5Handle type(H5Aget_type(id), H5Tclose);
  const Hdf5Handle space(H5Aget_space(id), H5Sclose);
  const hssize_t count = space ? H5Sget_simple_extent_npoints(space.id()) : -1;
  if (!type || count < 0) fail(place, format("could not read it: ", hdf5_reason()));
  if (count == 0) return {};  // NumPy gives an empty list the type float64.
  if (H5Tget_class(type.id()) != H5T_STRING) fail(place, "expected text, received another type");
  const auto number = static_cast<std::size_t>(count);
  if (number > kMostChildren) {
    fail(place, format("expected at most ", kMostChildren, " texts, received ", number));
  }
  std::vector<std::string> texts;
  if (H5Tis_variable_str(type.id()) > 0) {
    Hdf5Handle memory_type(H5Tcopy(H5T_C_S1), H5Tclose);
    H5Tset_size(memory_type.id(), H5T_VARIABLE);
    H5Tset_cset(memory_type.id(), H5Tget_cset(type.id()));
    std::vector<char*> found(number, nullptr);
    const bool is_read = H5Aread(id, memory_type.id(), found.data()) >= 0;
    std::size_t total = 0;
    for (const char* text : found) total += is_read && text != nullptr ? std::strlen(text) : 0;
    if (is_read && total <= kMostTextBytes) {
      for (const char* text : found) texts.emplace_back(text != nullptr ? text : "");
    }
    if (is_read) H5Dvlen_reclaim(memory_type.id(), space.id(), H5P_DEFAULT, found.data());
    if (!is_read) fail(place, format("could not read it: ", hdf5_reason()));
    if (total > kMostTextBytes) {
      fail(place, format("expected at most ", kMostTextBytes, " bytes, received ", total));
    }
    return texts;
  }
  const std::size_t width = H5Tget_size(type.id());
  const auto total = product(number, width);
  if (width == 0 || !total || *total > kMostTextBytes) {
    fail(place, format("expected at most ", kMostTextBytes, " bytes, received more"));
  }
  std::vector<char> bytes(static_cast<std::size_t>(*total));
  if (H5Aread(id, type.id(), bytes.data()) < 0) {
    fail(place, format("could not read it: ", hdf5_reason()));
  }
  for (std::size_t i = 0; i < number; ++i) {
    const char* text = bytes.data() + i * width;
    texts.emplace_back(text, strnlen(text, width));
  }
  return texts;
}

std::optional<std::vector<std::string>> Hdf5File::texts(const std::string& group,
                                                        const std::string& attribute) const {
  const Hdf5Lock lock;
  const Hdf5Handle found = impl_->open(group);
  if (!found || H5Aexists(found.id(), attribute.c_str()) <= 0) return std::nullopt;
  const Hdf5Handle opened(H5Aopen(found.id(), attribute.c_str(), H5P_DEFAULT), H5Aclose);
  if (!opened) {
    impl_->fail(format(group, "@", attribute), format("could not open it: ", hdf5_reason()));
  }
  return impl_->read_texts(group, attribute, opened.id());
}

std::optional<std::string> Hdf5File::text(const std::string& group,
                                          const std::string& attribute) const {
  auto found = texts(group, attribute);
  if (!found) return std::nullopt;
  if (found->size() != 1) {
    impl_->fail(format(group, "@", attribute),
                format("expected one text, received ", found->size()));
  }
  return std::move((*found)[0]);
}

}  // namespace stoker::io

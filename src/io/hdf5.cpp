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

constexpr std::size_t kMostComponents = 64;  // of a path

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
  impl_->image = image;
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

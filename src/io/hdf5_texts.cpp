// Texts in attributes. Those of variable length lie in "global heaps", which libhdf5 reads without
// looking where they end (1.10 at least), so that a crafted file makes it hang or read the memory
// of others. They are therefore read here: "HDF5 File Format Specification" 3.0, sections III.E and
// IV.A.2.d.
#include <algorithm>
#include <cstring>
#include <map>
#include <vector>

#include "core/format.h"
#include "core/input_file.h"
#include "io/hdf5_impl.h"
#include "stoker/error.h"

namespace stoker::io {

namespace {

constexpr std::size_t kMostTextBytes = std::size_t{1} << 26;

// How an attribute refers to a text of variable length, where addresses have eight bytes.
struct Reference {
  std::uint32_t length;
  std::uint64_t heap;
  std::uint32_t index;
};
constexpr std::size_t kReferenceBytes = 16;

Reference reference_at(const std::byte* bytes) {
  Reference reference{};
  std::memcpy(&reference.length, bytes, 4);
  std::memcpy(&reference.heap, bytes + 4, 8);
  std::memcpy(&reference.index, bytes + 12, 4);
  return reference;
}

// A conversion for libhdf5 that leaves references as they are.
herr_t keep_references(hid_t, hid_t, H5T_cdata_t* data, size_t, size_t, size_t, void*, void*,
                       hid_t) {
  if (data->command == H5T_CONV_INIT) data->need_bkg = H5T_BKG_NO;
  return 0;
}

// The type into which attributes of this type are read without being followed.
Hdf5Handle reference_type(hid_t text) {
  Hdf5Handle type(H5Tcreate(H5T_OPAQUE, kReferenceBytes), H5Tclose);
  static const bool is_known =
      H5Tregister(H5T_PERS_SOFT, "stoker: references", text, type.id(), keep_references) >= 0;
  if (!is_known) return {};
  return type;
}

// The heaps of a file that are asked for.
class Heaps {
 public:
  explicit Heaps(const Hdf5File::Impl& file) : file_(file) {
    const Hdf5Handle plist(H5Fget_create_plist(file.file.id()), H5Pclose);
    std::size_t address_bytes = 0, length_bytes = 0;
    if (!plist || H5Pget_sizes(plist.id(), &address_bytes, &length_bytes) < 0 ||
        H5Pget_userblock(plist.id(), &base_) < 0 || address_bytes != 8 || length_bytes != 8) {
      fail("expected addresses and lengths of eight bytes");
    }
  }

  // Throws IoError for a reference that does not lead to so many bytes.
  std::string text_of(const Reference& reference) {
    if (reference.length == 0) return {};
    const std::vector<std::byte>& heap = heap_at(reference.heap);
    // Objects follow each other: index, count of references, four unused bytes, size, and the data
    // up to a multiple of eight. Index 0 is the free space at the end.
    std::uint64_t at = kHeaderBytes;
    while (heap.size() - at >= kHeaderBytes) {
      const std::uint64_t index = number(heap, at, 2);
      const std::uint64_t size = number(heap, at + 8, 8);
      const std::uint64_t room = heap.size() - at - kHeaderBytes;
      if (index == 0) break;
      if (size > room) fail("an object is larger than its heap");
      if (index == reference.index) {
        if (size < reference.length) fail("a text is longer than its object");
        const auto* begin = reinterpret_cast<const char*>(heap.data() + at + kHeaderBytes);
        return {begin, strnlen(begin, reference.length)};
      }
      at += kHeaderBytes + std::min((size + 7) / 8 * 8, room);
    }
    fail("a text is not in its heap");
  }

 private:
  static constexpr std::uint64_t kHeaderBytes = 16;

  [[noreturn]] void fail(const char* what) const {
    file_.fail({}, format("its texts of variable length are damaged: ", what));
  }
  static std::uint64_t number(const std::vector<std::byte>& bytes, std::uint64_t at, int count) {
    std::uint64_t value = 0;
    std::memcpy(&value, bytes.data() + at, static_cast<std::size_t>(count));
    return value;
  }

  std::vector<std::byte> read(std::uint64_t at, std::uint64_t bytes) const {
    if (at > file_.bytes || bytes > file_.bytes - at) fail("a heap lies beyond the file's end");
    std::vector<std::byte> result(static_cast<std::size_t>(bytes));
    if (!file_.path) {
      std::ranges::copy(file_.image.subspan(static_cast<std::size_t>(at), result.size()),
                        result.begin());
      return result;
    }
    InputFile file(*file_.path);
    file.seek(at);
    if (file.read(result) != result.size()) fail("the file has become shorter");
    return result;
  }

  const std::vector<std::byte>& heap_at(std::uint64_t address) {
    const auto found = heaps_.find(address);
    if (found != heaps_.end()) return found->second;
    std::uint64_t at = 0;
    if (__builtin_add_overflow(base_, address, &at)) fail("a heap lies beyond the file's end");
    const std::vector<std::byte> header = read(at, kHeaderBytes);
    constexpr char kSignature[] = {'G', 'C', 'O', 'L', 1};
    if (std::memcmp(header.data(), kSignature, sizeof kSignature) != 0) fail("expected a heap");
    const std::uint64_t bytes = number(header, 8, 8);
    if (bytes < kHeaderBytes) fail("a heap is smaller than its header");
    // Heaps that overlap would let a small file take much time and memory.
    if (__builtin_add_overflow(total_, bytes, &total_) || total_ > file_.bytes) {
      fail("its heaps are larger than the file");
    }
    return heaps_.emplace(address, read(at, bytes)).first->second;
  }

  const Hdf5File::Impl& file_;
  hsize_t base_ = 0;
  std::uint64_t total_ = 0;
  std::map<std::uint64_t, std::vector<std::byte>> heaps_;
};

}  // namespace

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
  const bool is_variable = H5Tis_variable_str(type.id()) > 0;
  const Hdf5Handle references = is_variable ? reference_type(type.id()) : Hdf5Handle();
  if (is_variable && !references) fail(place, format("could not read it: ", hdf5_reason()));
  const std::size_t width = is_variable ? kReferenceBytes : H5Tget_size(type.id());
  const auto total = product(number, width);
  if (width == 0 || !total || *total > kMostTextBytes) {
    fail(place, format("expected at most ", kMostTextBytes, " bytes, received more"));
  }
  std::vector<std::byte> bytes(static_cast<std::size_t>(*total));
  if (H5Aread(id, is_variable ? references.id() : type.id(), bytes.data()) < 0) {
    fail(place, format("could not read it: ", hdf5_reason()));
  }
  std::vector<std::string> texts;
  if (!is_variable) {
    for (std::size_t i = 0; i < number; ++i) {
      const auto* text = reinterpret_cast<const char*>(bytes.data() + i * width);
      texts.emplace_back(text, strnlen(text, width));
    }
    return texts;
  }
  Heaps heaps(*this);
  std::size_t sum = 0;
  for (std::size_t i = 0; i < number; ++i) {
    texts.push_back(heaps.text_of(reference_at(bytes.data() + i * kReferenceBytes)));
    sum += texts.back().size();
    if (sum > kMostTextBytes) {
      fail(place, format("expected at most ", kMostTextBytes, " bytes, received ", sum));
    }
  }
  return texts;
}

}  // namespace stoker::io

#include "stoker/npy.h"

#include <zlib.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <limits>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "core/atomic_file.h"
#include "core/format.h"
#include "stoker/error.h"

namespace stoker {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr std::uint64_t kMaxBytes = std::uint64_t{1} << 33;
constexpr std::string_view kMagic = "\x93NUMPY";

using Bytes = std::span<const std::byte>;

[[noreturn]] void fail(const std::string& name, const std::string& what) {
  throw IoError(format(name, ": ", what));
}

std::vector<std::byte> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) fail(path, "could not be opened");
  const auto size = static_cast<std::uint64_t>(file.tellg());
  if (size > kMaxBytes) fail(path, format("expected at most 2^33 bytes, received ", size));
  std::vector<std::byte> bytes(size);
  file.seekg(0);
  file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(size));
  if (!file) fail(path, "could not be read to its end");
  return bytes;
}

template <class T>
T number_at(Bytes bytes, std::size_t offset, const std::string& name) {
  if (offset > bytes.size() || bytes.size() - offset < sizeof(T)) {
    fail(name, format("truncated: expected ", sizeof(T), " bytes at offset ", offset));
  }
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

// ---- The header: a Python dictionary with three known keys ----
struct Header {
  std::string descr;
  bool fortran = false;
  Shape shape;
};

class HeaderReader {
 public:
  HeaderReader(std::string_view text, const std::string& name) : text_(text), name_(name) {}

  Header read() {
    Header header;
    bool descr = false;
    bool order = false;
    bool shape = false;
    expect('{');
    while (!accept('}')) {
      const std::string key = string();
      expect(':');
      if (key == "descr") {
        header.descr = string();
        descr = true;
      } else if (key == "fortran_order") {
        header.fortran = truth();
        order = true;
      } else if (key == "shape") {
        header.shape = tuple();
        shape = true;
      } else {
        damaged(format("an unknown key \"", key, '"'));
      }
      accept(',');
    }
    if (!descr || !order || !shape) damaged("one of descr, fortran_order and shape is missing");
    return header;
  }

 private:
  [[noreturn]] void damaged(const std::string& what) {
    fail(name_, format("a damaged .npy header (", what, " at character ", at_, ")"));
  }
  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
  }
  bool accept(char c) {
    skip_space();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!accept(c)) damaged(format("expected '", c, "'"));
  }
  std::string string() {
    skip_space();
    const char quote = at_ < text_.size() ? text_[at_] : ' ';
    if (quote != '\'' && quote != '"') damaged("expected a string");
    const std::size_t end = text_.find(quote, ++at_);
    if (end == std::string_view::npos) damaged("a string without an end");
    std::string result(text_.substr(at_, end - at_));
    at_ = end + 1;
    return result;
  }
  bool truth() {
    skip_space();
    for (const auto& [word, value] :
         {std::pair{std::string_view("True"), true}, std::pair{std::string_view("False"), false}}) {
      if (text_.substr(at_).starts_with(word)) {
        at_ += word.size();
        return value;
      }
    }
    damaged("expected True or False");
  }
  Shape tuple() {
    Shape shape;
    expect('(');
    while (!accept(')')) {
      skip_space();
      std::int64_t extent = 0;
      const std::size_t begin = at_;
      while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') {
        extent = 10 * extent + (text_[at_++] - '0');
        if (extent > static_cast<std::int64_t>(kMaxBytes)) damaged("an extent that is too large");
      }
      if (at_ == begin || shape.rank() == 8) damaged("expected up to eight extents");
      shape.push_back(extent);
      accept(',');
    }
    return shape;
  }

  std::string_view text_;
  const std::string& name_;
  std::size_t at_ = 0;
};

// ---- Elements ----
struct ElementType {
  std::size_t bytes;
  DType dtype;
  bool converts;
};

ElementType type_of(const std::string& descr, const NpyOptions& options, const std::string& name) {
  if (descr == "<f4") return {4, DType::float32, false};
  if (descr == "<f2") return {2, DType::float16, false};
  if (descr == "<i4") return {4, DType::int32, false};
  if (descr == "|u1" || descr == "|b1") return {1, DType::uint8, false};
  if (descr == "<f8" || descr == "<i8") {
    if (options.convert) return {8, descr == "<f8" ? DType::float32 : DType::int32, true};
    throw DTypeError(format(name, ": elements of ", descr == "<f8" ? "float64" : "int64",
                            ", which a Tensor does not have; {.convert = true} makes them ",
                            descr == "<f8" ? "float32" : "int32"));
  }
  throw DTypeError(format(name,
                          ": expected elements of float32, float16, int32, uint8 or bool, "
                          "little-endian, received \"",
                          descr, '"'));
}

void convert(Bytes from, Tensor& to, const std::string& name) {
  const auto count = static_cast<std::size_t>(to.size());
  if (to.dtype() == DType::float32) {
    const std::span<float> out = to.data<float>();
    for (std::size_t i = 0; i < count; ++i) {
      double value;
      std::memcpy(&value, from.data() + 8 * i, 8);
      out[i] = static_cast<float>(value);
      if (std::isfinite(value) && !std::isfinite(out[i])) {
        throw DataError(format(name, ": element ", i, ", ", value, ", does not fit float32"));
      }
    }
    return;
  }
  const std::span<std::int32_t> out = to.data<std::int32_t>();
  for (std::size_t i = 0; i < count; ++i) {
    std::int64_t value;
    std::memcpy(&value, from.data() + 8 * i, 8);
    if (value < std::numeric_limits<std::int32_t>::min() ||
        value > std::numeric_limits<std::int32_t>::max()) {
      throw DataError(format(name, ": element ", i, ", ", value, ", does not fit int32"));
    }
    out[i] = static_cast<std::int32_t>(value);
  }
}

// From columns first to rows first.
Tensor transposed(const Tensor& tensor, const Shape& shape) {
  Tensor result(shape, tensor.dtype());
  const std::size_t size = size_of(tensor.dtype());
  const auto* from = static_cast<const std::byte*>(tensor.raw());
  auto* to = static_cast<std::byte*>(result.raw());
  std::vector<std::int64_t> index(shape.rank(), 0);
  for (std::int64_t i = 0; i < result.size(); ++i) {
    std::int64_t offset = 0;
    for (std::size_t axis = shape.rank(); axis-- > 0;) offset = offset * shape[axis] + index[axis];
    std::memcpy(to + static_cast<std::size_t>(i) * size,
                from + static_cast<std::size_t>(offset) * size, size);
    for (std::size_t axis = shape.rank(); axis-- > 0;) {
      if (++index[axis] < shape[axis]) break;
      index[axis] = 0;
    }
  }
  return result;
}

Tensor parse(Bytes bytes, const NpyOptions& options, const std::string& name) {
  if (bytes.size() < 10 || std::memcmp(bytes.data(), kMagic.data(), kMagic.size()) != 0) {
    fail(name, "expected a .npy file, which begins with \\x93NUMPY");
  }
  const int version = std::to_integer<int>(bytes[6]);
  if (version < 1 || version > 3)
    fail(name, format("a .npy of version ", version, " is not known"));
  const std::size_t begin = version == 1 ? 10 : 12;
  const std::size_t length = version == 1 ? number_at<std::uint16_t>(bytes, 8, name)
                                          : number_at<std::uint32_t>(bytes, 8, name);
  if (bytes.size() < begin || length > bytes.size() - begin) {
    fail(name, format("truncated: a header of ", length, " bytes"));
  }
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + begin, length);
  const Header header = HeaderReader(text, name).read();
  const ElementType type = type_of(header.descr, options, name);
  std::uint64_t wanted = type.bytes;
  for (std::size_t axis = 0; axis < header.shape.rank(); ++axis) {
    if (__builtin_mul_overflow(wanted, static_cast<std::uint64_t>(header.shape[axis]), &wanted)) {
      fail(name, "a shape that fits no memory");
    }
  }
  const Bytes elements = bytes.subspan(begin + length);
  if (elements.size() != wanted) {
    fail(name, format("expected ", wanted, " bytes of elements at offset ", begin + length,
                      ", received ", elements.size()));
  }
  Tensor tensor(header.shape, type.dtype);
  if (type.converts) {
    convert(elements, tensor, name);
  } else if (!elements.empty()) {
    std::memcpy(tensor.raw(), elements.data(), elements.size());
  }
  return header.fortran && header.shape.rank() > 1 ? transposed(tensor, header.shape)
                                                   : std::move(tensor);
}

// ---- Zip ----
std::vector<std::byte> inflate_raw(Bytes packed, std::uint64_t size, const std::string& name) {
  std::vector<std::byte> result(size);
  z_stream stream{};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) fail(name, "zlib could not be started");
  const std::unique_ptr<z_stream, int (*)(z_stream*)> owner(&stream, inflateEnd);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  stream.next_out = reinterpret_cast<Bytef*>(result.data());
  stream.avail_out = static_cast<uInt>(size);
  if (inflate(&stream, Z_FINISH) != Z_STREAM_END || stream.avail_out != 0) {
    fail(name, "damaged: its deflated bytes do not give what the archive says");
  }
  return result;
}

constexpr std::uint32_t kEndOfDirectory = 0x06054b50;
constexpr std::uint32_t kDirectoryEntry = 0x02014b50;
constexpr std::uint32_t kLocalHeader = 0x04034b50;

std::size_t find_end(Bytes bytes, const std::string& path) {
  constexpr std::size_t kEndBytes = 22;
  constexpr std::size_t kMostComment = 65535;
  if (bytes.size() >= kEndBytes) {
    const std::size_t last = bytes.size() - kEndBytes;
    for (std::size_t at = last + 1; at-- > (last > kMostComment ? last - kMostComment : 0);) {
      if (number_at<std::uint32_t>(bytes, at, path) == kEndOfDirectory) return at;
    }
  }
  fail(path, "expected a .npz, which is a zip archive; found no end of one");
}

}  // namespace

Tensor read_npy(const std::string& path, NpyOptions options) {
  return parse(read_file(path), options, path);
}

std::map<std::string, Tensor> read_npz(const std::string& path, NpyOptions options) {
  const std::vector<std::byte> file = read_file(path);
  const Bytes bytes(file);
  const std::size_t end = find_end(bytes, path);
  const std::size_t count = number_at<std::uint16_t>(bytes, end + 10, path);
  std::size_t at = number_at<std::uint32_t>(bytes, end + 16, path);
  std::map<std::string, Tensor> arrays;
  std::uint64_t all_packed = 0;
  std::uint64_t all_unpacked = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (number_at<std::uint32_t>(bytes, at, path) != kDirectoryEntry) {
      fail(path, format("a damaged archive: no directory entry at offset ", at));
    }
    const auto method = number_at<std::uint16_t>(bytes, at + 10, path);
    const auto crc = number_at<std::uint32_t>(bytes, at + 16, path);
    const auto packed_size = number_at<std::uint32_t>(bytes, at + 20, path);
    const auto size = number_at<std::uint32_t>(bytes, at + 24, path);
    const auto name_size = number_at<std::uint16_t>(bytes, at + 28, path);
    const std::size_t extra_size = number_at<std::uint16_t>(bytes, at + 30, path);
    const std::size_t comment_size = number_at<std::uint16_t>(bytes, at + 32, path);
    const std::size_t local = number_at<std::uint32_t>(bytes, at + 42, path);
    if (name_size > bytes.size() - at - 46) fail(path, "a damaged archive: a name beyond its end");
    const std::string name(reinterpret_cast<const char*>(bytes.data()) + at + 46, name_size);
    const std::string where = path + ", " + name;
    if (packed_size == 0xffffffffU || size == 0xffffffffU) {
      fail(where, "4 GiB or more (zip64), which is not read");
    }
    if (number_at<std::uint32_t>(bytes, local, where) != kLocalHeader) {
      fail(where, format("a damaged archive: no entry at offset ", local));
    }
    const std::size_t data = local + 30 + number_at<std::uint16_t>(bytes, local + 26, where) +
                             number_at<std::uint16_t>(bytes, local + 28, where);
    if (data > bytes.size() || packed_size > bytes.size() - data) fail(where, "truncated");
    // Entries that share their bytes could unpack to any multiple of the file.
    all_packed += packed_size;
    all_unpacked += size;
    if (all_packed > bytes.size()) fail(where, "a damaged archive: entries that overlap");
    if (all_unpacked > kMaxBytes) fail(where, "more than 2^33 bytes in all");
    const Bytes packed = bytes.subspan(data, packed_size);
    // Deflate packs at most about a thousand to one.
    if (method == 8 && size / 1100 > packed_size) fail(where, "a size that it can't have");
    std::vector<std::byte> unpacked;
    Bytes content = packed;
    if (method == 8) {
      unpacked = inflate_raw(packed, size, where);
      content = unpacked;
    } else if (method != 0) {
      fail(where, format("packed by method ", method, "; expected stored or deflated"));
    }
    const auto found =
        crc32(0, reinterpret_cast<const Bytef*>(content.data()), static_cast<uInt>(content.size()));
    if (content.size() != size || found != crc) fail(where, "damaged: a wrong checksum or size");
    const bool is_npy = name.ends_with(".npy");
    arrays.emplace(is_npy ? name.substr(0, name.size() - 4) : name, parse(content, options, where));
    at += 46 + name_size + extra_size + comment_size;
  }
  return arrays;
}

void write_npy(const std::string& path, const Tensor& tensor) {
  const char* descr = nullptr;
  switch (tensor.dtype()) {
    case DType::float32:
      descr = "<f4";
      break;
    case DType::float16:
      descr = "<f2";
      break;
    case DType::int32:
      descr = "<i4";
      break;
    case DType::uint8:
      descr = "|u1";
      break;
    case DType::bfloat16:
      throw DTypeError(format("write_npy: ", path, ": NumPy has no bfloat16"));
  }
  std::string shape;
  for (std::size_t axis = 0; axis < tensor.shape().rank(); ++axis) {
    shape += std::to_string(tensor.shape()[axis]) + ",";
  }
  std::string header =
      format("{'descr': '", descr, "', 'fortran_order': False, 'shape': (", shape, "), }");
  // Elements begin at a multiple of 64.
  header.append(63 - (kMagic.size() + 4 + header.size()) % 64, ' ');
  header += '\n';
  const auto length = static_cast<std::uint16_t>(header.size());
  AtomicFile file(path);
  file.write(kMagic);
  const std::byte version[] = {std::byte{1}, std::byte{0}};
  file.write(version);
  file.write(std::as_bytes(std::span(&length, 1)));
  file.write(header);
  file.write(Bytes(static_cast<const std::byte*>(tensor.raw()), tensor.bytes()));
  file.commit();
}

}  // namespace stoker

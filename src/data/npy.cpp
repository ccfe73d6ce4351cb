// Reads arrays: .npy.
#include "stoker/npy.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string_view>
#include <vector>

#include "core/foreign.h"
#include "core/format.h"
#include "core/input_file.h"
#include "data/npy_format.h"
#include "stoker/error.h"

namespace stoker {
namespace {

static_assert(std::endian::native == std::endian::little);

using npy::Bytes;
using npy::fail;
using npy::kMagic;
using npy::number_at;

// ---- The header: a Python dictionary with three known keys ----
struct Header {
  std::string descr;
  bool fortran = false;
  Shape shape;
};

class HeaderReader {
 public:
  HeaderReader(std::string_view text, int version, const std::string& name)
      : text_(text), version_(version), name_(name) {}

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
        // For elements with several fields, a list of the fields stands here.
        if (accept('[')) unsupported("elements of several fields");
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
  [[noreturn]] void unsupported(const std::string& what) {
    fail(name_, format(what, ", which NumPy reads and read_npy does not"));
  }
  void skip_space() {
    constexpr std::string_view kSpace = " \t\r\n";
    while (at_ < text_.size() && kSpace.find(text_[at_]) != std::string_view::npos) ++at_;
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
        if (__builtin_mul_overflow(extent, std::int64_t{10}, &extent) ||
            __builtin_add_overflow(extent, std::int64_t{text_[at_] - '0'}, &extent)) {
          damaged("an extent of 2^63 or more");
        }
        ++at_;
      }
      if (at_ == begin) damaged("expected an extent");
      // Long integers of Python 2 end in L. It wrote only the first two versions of the format.
      if (version_ < 3 && at_ < text_.size() && text_[at_] == 'L') ++at_;
      if (shape.rank() == Shape::kMaxRank) unsupported("an array of more than eight axes");
      shape.push_back(extent);
      accept(',');
    }
    return shape;
  }

  std::string_view text_;
  const int version_;
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

// Copies a tensor that is stored columns first to one that is stored rows first.
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

}  // namespace

Tensor npy::parse(Bytes bytes, const NpyOptions& options, const std::string& name) {
  if (bytes.size() < 10 || std::memcmp(bytes.data(), kMagic.data(), kMagic.size()) != 0) {
    fail(name, "expected a .npy file, which begins with \\x93NUMPY");
  }
  const int version = std::to_integer<int>(bytes[6]);
  if (version < 1 || version > 3) {
    fail(name, format("expected a .npy of version 1, 2 or 3, received version ", version,
                      ", which is not known"));
  }
  const std::size_t begin = version == 1 ? 10 : 12;
  const std::size_t length = version == 1 ? number_at<std::uint16_t>(bytes, 8, name)
                                          : number_at<std::uint32_t>(bytes, 8, name);
  if (bytes.size() < begin || length > bytes.size() - begin) {
    fail(name, format("truncated: a header of ", length, " bytes"));
  }
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + begin, length);
  const Header header = HeaderReader(text, version, name).read();
  const ElementType type = type_of(header.descr, options, name);
  // If an extent is 0, there are no elements, whatever the other extents are.
  const bool is_empty = std::ranges::find(header.shape, 0) != header.shape.end();
  std::uint64_t wanted = is_empty ? 0 : type.bytes;
  for (const std::int64_t extent : header.shape) {
    if (__builtin_mul_overflow(wanted, static_cast<std::uint64_t>(extent), &wanted)) {
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

Tensor read_npy(const std::string& path, NpyOptions options) {
  return with_own_errors(path, [&] {
    std::vector<std::byte> memory;
    return npy::parse(read_whole_file(path, options.limits.max_bytes, memory), options, path);
  });
}

}  // namespace stoker
